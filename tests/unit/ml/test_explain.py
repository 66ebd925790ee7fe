"""The `Explain` job from end to end, on small models of tables, texts and pictures that were really trained."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance

from stoker import kinds
from stoker.errors import InvalidJob
from stoker.events import Event
from stoker.kinds import Attribution, Explain, ExplainResult, Explanation, Train
from stoker.models.access import Access
from stoker.models.inline import inlined, read_inline
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.rows import MISSING_CATEGORY
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Store
from stoker.models.tensors import Array
from stoker_workers.kinds import explain
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.data.samples import load_sample
from stoker_workers.ml.explanation.correlated import correlated
from stoker_workers.ml.explanation.explained import Explained, explained_of
from stoker_workers.ml.explanation.features import features_of
from stoker_workers.ml.explanation.rows import drawn
from stoker_workers.ml.explanation.shares import listed_names, pixel_block
from stoker_workers.ml.explanation.words import shared_among, words_of
from stoker_workers.ml.prediction.predictor import Predictor
from stoker_workers.ml.run import Run, Stopped

from .conftest import manifest_of

OpenRun = Callable[..., Run]
Register = Callable[..., ModelVersion]
Trained = Callable[..., ModelVersion]


@pytest.fixture(scope="module")
def trained(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trains a model, once for all tests that ask for the same one."""

    @cache
    def version_of(data: str, epochs: int, architecture: Any = None, **fields: Any) -> ModelVersion:
        run = Run(
            job="job",
            store=store,
            scratch=tmp_path_factory.mktemp("train"),
            builders=(),
            access=Access(["/"], store.url),
            models=(),
            checkpoints=(),
        )
        spec = Train(model="m", data=data, epochs=epochs, architecture=architecture, seed=1, **fields)
        manifest = manifest_of(train(spec, run))
        return ModelVersion(**dict(manifest), version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC))

    return version_of


def result_of(run: Run, **fields: Any) -> ExplainResult:
    [version] = run.models
    outcome = explain.run(Explain(model=version.ref, **fields), run)
    assert isinstance(outcome.result, ExplainResult)
    assert outcome.effects == ()
    return outcome.result


def assert_complete(each: Attribution, *, within: float = 0.01) -> None:
    change = each.value - each.base
    total = sum(each.columns.values()) + each.rest
    assert each.complete
    assert abs(total - change) <= max(within * abs(change), 2e-6 * max(abs(each.value), abs(each.base)))


def all_of(result: ExplainResult) -> Iterator[Attribution]:
    for explanation in result.explanations:
        yield from explanation.outputs.values()


def predictor_of(version: ModelVersion, run: Run) -> Predictor:
    return Predictor.load(version, run.store, run.scratch)


def written(path: Path, rows: list[dict[str, object]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


CHURN = "sample://churn"


def test_rows_of_a_table_with_all_kinds_of_columns_are_explained_completely(
    trained: Trained, open_run: OpenRun
) -> None:
    version = trained(CHURN, 8, target="churned")
    run = open_run(version)
    result = result_of(run, data=CHURN, rows=4, repeats=2)
    assert len(result.explanations) == 4
    for each in all_of(result):
        assert_complete(each)
    for explanation in result.explanations:
        assert explanation.value == pytest.approx(explanation.prediction.probabilities[explanation.target], abs=1e-5)
        assert explanation.target == explanation.prediction.label
    columns = {name for spec in version.signature.inputs for name in spec.columns}
    assert set(result.explanations[0].columns) == columns
    shares = [abs(share) for share in result.explanations[0].columns.values()]
    assert shares == sorted(shares, reverse=True)
    assert "mean" in result.baseline
    assert {each.column for each in result.importance} == columns
    assert [each.drop for each in result.importance] == sorted((each.drop for each in result.importance), reverse=True)
    assert result.metrics["accuracy"] > 0.6


def test_the_base_is_what_the_model_gives_for_the_baseline(trained: Trained, open_run: OpenRun) -> None:
    version = trained(CHURN, 8, target="churned")
    run = open_run(version)
    result = result_of(run, data=CHURN, rows=1, methods=["gradients"], baseline="missing", output="yes")
    [one] = result.explanations
    nothing = Inputs(version.signature, version.ref).encoded({name: [None] for name in one.columns})
    assert isinstance(nothing, dict)
    assert one.target == "yes"
    assert one.base == pytest.approx(float(predictor_of(version, run).predict(nothing)[0, 0]), abs=1e-5)
    assert_complete(one.only)


@pytest.mark.parametrize(
    "architecture",
    [
        None,
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (kinds.Text(cell="mean"), kinds.Text(cell="lstm", units=8))
        ),
    ],
    ids=repr,
)
def test_texts_are_explained_word_by_word(architecture: kinds.Text | None, trained: Trained, open_run: OpenRun) -> None:
    version = trained("sample://reviews", 6, architecture, target="sentiment")
    result = result_of(open_run(version), data="sample://reviews", rows=6)
    assert any("single column" in warning for warning in result.warnings)
    source = load_sample("reviews", "test")
    texts = next(source.batches(6))["review"].tolist()
    for text, explanation in zip(texts, result.explanations, strict=True):
        assert_complete(explanation.only)
        words = explanation.words["review"]
        assert [word for word, _ in words] == [word for word in text.split() if any(map(str.isalnum, word))]
        total = sum(share for _, share in words)
        assert total == pytest.approx(explanation.columns["review"], abs=1e-4)
        assert abs(explanation.value - explanation.base) < 1


@pytest.mark.slow
def test_pictures_are_explained_pixel_by_pixel(trained: Trained, open_run: OpenRun) -> None:
    version = trained("sample://shapes", 4, kinds.CNN(filters=(8, 16)))
    run = open_run(version)
    result = result_of(run, data="sample://shapes", rows=4)
    assert result.baseline.startswith("zeros")
    for explanation in result.explanations:
        assert_complete(explanation.only)
        pixels = np.array(explanation.pixels["image"])
        assert pixels.shape == (32, 32)
        assert pixels.sum() == pytest.approx(explanation.value - explanation.base, abs=0.01)
    black = np.zeros((1, *(size or 1 for size in version.signature.inputs[0].shape)), np.uint8)
    base = predictor_of(version, run).predict(black)[0]
    first = result.explanations[0]
    assert first.base == pytest.approx(float(base[version.signature.classes.index(first.target)]), abs=1e-5)


def test_importance_is_scikit_learns_own(trained: Trained, open_run: OpenRun) -> None:
    version = trained("sample://wine", 15)
    run = open_run(version)
    result = result_of(run, data="sample://wine", methods=["importance"], repeats=3, seed=3)
    [columns] = load_sample("wine", "test").batches(1000)
    x, y = columns["x"], columns["y"]
    predictor = predictor_of(version, run)
    classes = np.array(version.signature.classes)

    class Model(BaseEstimator):  # type: ignore[misc]  # it has no types
        def fit(self, *_: object) -> None: ...

        def predict(self, rows: Array) -> Array:
            labels: Array = classes[predictor.predict(rows.astype(np.float32)).argmax(axis=1)]
            return labels

        def score(self, rows: Array, truth: Array) -> float:
            return float((self.predict(rows) == truth.astype(str)).mean())

    theirs = permutation_importance(Model(), x, y, n_repeats=3, random_state=3)
    ours = {each.column: each for each in result.importance}
    assert len(ours) == 13
    for place in range(13):
        one = ours[f"x[{place}]"]
        assert one.drop == theirs.importances_mean[place]
        assert one.spread == theirs.importances_std[place]
    assert result.rows == len(x)
    assert not result.explanations
    assert any("'x[5]' and 'x[6]'" in warning for warning in result.warnings), "phenols and flavanoids"


@pytest.mark.slow
def test_importance_of_numbers_is_scikit_learns_own_too(trained: Trained, open_run: OpenRun) -> None:
    version = trained("sample://diabetes", 15)
    run = open_run(version)
    result = result_of(run, data="sample://diabetes", methods=["importance"], repeats=3)
    [columns] = load_sample("diabetes", "test").batches(1000)
    predictor = predictor_of(version, run)

    class Model(BaseEstimator):  # type: ignore[misc]  # it has no types
        def fit(self, *_: object) -> None: ...

        def predict(self, rows: Array) -> Array:
            numbers: Array = predictor.predict(rows.astype(np.float32))[:, 0]
            return numbers

    for scoring, ours in (("r2", "drop"), ("neg_mean_squared_error", "loss")):
        theirs = permutation_importance(
            Model(), columns["x"], columns["y"], scoring=scoring, n_repeats=3, random_state=0
        )
        for each in result.importance:
            place = int(each.column[2:-1])
            assert getattr(each, ours) == pytest.approx(theirs.importances_mean[place], rel=1e-9)


def test_importance_of_columns_of_any_kind_is_that_of_shuffled_raw_rows(trained: Trained, open_run: OpenRun) -> None:
    version = trained(CHURN, 8, target="churned")
    run = open_run(version)
    result = result_of(run, data=CHURN, methods=["importance"], repeats=1)
    [columns] = load_sample("churn", "test").batches(10_000)
    predictor = predictor_of(version, run)
    names = sorted(each.column for each in result.importance)
    inputs = Inputs(version.signature, version.ref)
    classes = np.array(version.signature.classes)

    def predicted(rows: Mapping[str, Array]) -> Array:
        given = inputs.encoded(dict(rows))
        second = predictor.predict(given)[:, 0] > 0.5
        labels: Array = classes[second.astype(int)]
        return labels

    rows = {name: columns[name] for name in names}
    truth = columns["churned"]
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max + 1)
    straight = (predicted(rows) == truth).mean()
    ours = {each.column: each for each in result.importance}
    for name in names:
        order = np.arange(len(truth))
        np.random.RandomState(seed).shuffle(order)
        fall = straight - (predicted(rows | {name: columns[name][order]}) == truth).mean()
        assert ours[name].drop == pytest.approx(fall, abs=1e-12), name


@pytest.mark.slow
def test_a_forecast_is_explained_by_its_channels(trained: Trained, open_run: OpenRun) -> None:
    version = trained(
        "sample://consumption",
        2,
        target="kwh",
        forecast=kinds.Forecast(time="when", series="meter", window=12, horizon=3),
        features=("temperature",),
    )
    result = result_of(open_run(version), data="sample://consumption", rows=3, repeats=1, sample=200)
    assert {each.column for each in result.importance} == {"kwh", "temperature"}
    [first, *_] = result.explanations
    assert list(first.outputs) == ["value_0", "value_1", "value_2"]
    assert set(first.columns) == {"kwh", "temperature"}
    for each in all_of(result):
        assert_complete(each)


@pytest.mark.slow
def test_several_outputs_are_explained_by_their_names(trained: Trained, open_run: OpenRun) -> None:
    version = trained(CHURN, 3, target=("churned", "monthly"))
    run = open_run(version)
    result = result_of(run, data=CHURN, rows=2, repeats=1, sample=100)
    assert {each.output for each in result.importance} == {"churned", "monthly"}
    assert set(result.explanations[0].outputs) == {"churned", "monthly"}
    for each in all_of(result):
        assert_complete(each)
    only = result_of(run, data=CHURN, rows=1, methods=["gradients"], output="churned.no")
    assert [each.target for each in all_of(only)] == ["no"]
    with pytest.raises(InvalidJob, match=r"output names 'monthli', which m@1 does not give.*did you mean 'monthly'"):
        result_of(run, data=CHURN, rows=1, methods=["gradients"], output="monthli")


def test_rows_that_come_with_a_job_need_no_data(trained: Trained, open_run: OpenRun) -> None:
    version = trained(CHURN, 8, target="churned")
    [columns] = load_sample("churn", "test").batches(10_000)
    tensors = Inputs(version.signature, version.ref).encoded({name: values[:2] for name, values in columns.items()})
    result = result_of(open_run(version), given=inlined(tensors), methods=["gradients"])
    assert [each.row for each in result.explanations] == [0, 1]
    assert "nothing is known" in result.baseline
    for each in all_of(result):
        assert_complete(each)
    same = result_of(open_run(version), given=inlined(tensors), data=CHURN, methods=["gradients"])
    assert "mean" in same.baseline
    assert not same.importance


def test_what_is_inlined_reads_back_equal() -> None:
    tensors = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([["x", MISSING_CATEGORY], ["", "ü"]])}
    back = read_inline(inlined(tensors))
    assert isinstance(back, dict)
    for name, values in tensors.items():
        np.testing.assert_array_equal(back[name], values)
    for wrong in ("?", "AAAA", inlined(tensors)[:40]):
        with pytest.raises(InvalidJob, match="given"):
            read_inline(wrong)


def signature(columns: int, **fields: Any) -> Signature:
    names = tuple(f"c{place}" for place in range(columns))
    spec = TensorSpec(name="features", shape=(columns,), dtype="float32", kind="number", columns=names, gaps=True)
    output = TensorSpec(name="output", shape=(1,), dtype="float32")
    return Signature.model_validate(
        {"inputs": (spec,), "outputs": (output,), "task": "regression", "target": "y", **fields}
    )


def linear(weights: Array) -> keras.Model:
    """A model whose output is x @ weights, with 0 for what is missing."""
    x = keras.Input((len(weights),), name="features")
    filled = keras.ops.where(keras.ops.isnan(x), 0.0, x)
    model = keras.Model(x, keras.layers.Dense(1, use_bias=False)(filled))
    model.set_weights([weights[:, None]])
    return model


def table_of(path: Path, x: Array, y: Array | None = None) -> str:
    rows: list[dict[str, object]] = [
        {f"c{place}": "" if np.isnan(value) else value for place, value in enumerate(row)} for row in x.tolist()
    ]
    if y is not None:
        rows = [{**row, "y": value} for row, value in zip(rows, y.tolist(), strict=True)]
    return written(path, rows)


def test_of_a_linear_model_attributions_are_the_weights_times_the_distances(
    register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    weights = np.array([1.0, -2.0, 0.5, 0.0])
    x = np.random.default_rng(0).normal(size=(60, 4))
    x[3, 1] = np.nan
    y = np.nan_to_num(x) @ weights
    version = register(linear(weights), signature(4))
    result = result_of(open_run(version), data=table_of(tmp_path / "d.csv", x, y), rows=5, baseline="zero")
    for row, explanation in enumerate(result.explanations):
        expected = np.nan_to_num(x[row]) * weights
        assert explanation.base == pytest.approx(0)
        for place in range(4):
            assert explanation.columns[f"c{place}"] == pytest.approx(expected[place], abs=1e-5)
    assert result.importance[-1].column == "c3"
    assert result.importance[-1].drop == 0
    assert result.importance[0].column == "c1"
    assert result.metrics["r2"] == pytest.approx(1)


def test_constant_columns_one_row_and_few_rows_are_no_trouble(
    register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    weights = np.array([1.0, 2.0])
    version = register(linear(weights), signature(2))
    x = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    result = result_of(open_run(version), data=table_of(tmp_path / "three.csv", x, x @ weights))
    assert {each.column: each.drop for each in result.importance}["c1"] == 0
    assert any("3 rows" in warning for warning in result.warnings)
    assert len(result.explanations) == 3
    assert all(each.columns["c1"] == 0 for each in result.explanations), "it is its own mean"
    one = result_of(open_run(version), data=table_of(tmp_path / "one.csv", x[:1], x[:1] @ weights))
    assert all(each.drop == 0 for each in one.importance)
    assert all(each.complete for each in all_of(one)), "a row that is its own baseline has nothing to share"


def test_without_a_truth_that_the_model_knows_rows_are_explained_all_the_same(
    register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    version = register(linear(np.array([1.0, 2.0])), signature(2))
    x = np.array([[1.0, 5.0], [2.0, 6.0]])
    unknown = table_of(tmp_path / "unknown.csv", x, np.array([np.nan, np.nan]))
    Path(unknown).write_text(Path(unknown).read_text().replace("nan", ""))
    result = result_of(open_run(version), data=unknown)
    assert len(result.explanations) == 2
    assert [warning for warning in result.warnings if "truth" in warning] == [
        f"importance is left out: no row of {unknown} has a truth; give data with at least one that has"
    ]
    with pytest.raises(InvalidJob, match="has a truth; give data with at least one that has"):
        result_of(open_run(version), data=unknown, methods=["importance"])


@pytest.mark.parametrize("count", [110, pytest.param(500, marks=pytest.mark.slow)])
def test_very_many_columns_are_bounded_and_still_add_up(
    count: int, register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=count)
    x = random.normal(size=(40, count))
    x[:, 1] = -x[:, 0]
    version = register(linear(weights), signature(count))
    result = result_of(open_run(version), data=table_of(tmp_path / "wide.csv", x, x @ weights), repeats=1, rows=3)
    assert len(result.importance) == count
    assert any("'c0' and 'c1' (-1.00)" in warning for warning in result.warnings)
    for each in all_of(result):
        assert len(each.columns) == 100
        assert_complete(each)


def test_what_cannot_be_explained_says_what_works(
    trained: Trained, register: Register, open_run: OpenRun, tmp_path: Path
) -> None:
    wide = trained("sample://wine", 15)
    file = wide.model_copy(update={"parent": "m@7"})
    path = tmp_path / "model.tflite"
    model = keras.saving.load_model(open_run().store.fetch(wide.files["keras"], tmp_path), compile=False)
    model.export(path, format="litert", verbose=False)
    interpreter = Interpreter(str(path))
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    run = open_run()
    signature = wide.signature.model_copy(
        update={
            "inputs": (wide.signature.inputs[0].model_copy(update={"tensor": taken["name"]}),),
            "outputs": (wide.signature.outputs[0].model_copy(update={"tensor": given["name"]}),),
        }
    )
    files = {"litert": run.store.put_file(path)}
    lite = file.model_copy(update={"files": files, "source": "model.tflite", "signature": signature})
    with pytest.raises(InvalidJob, match=r"no gradients.*methods=\['importance'\] works.*or explain m@7"):
        result_of(open_run(lite), data="sample://wine", methods=["gradients"])
    result = result_of(open_run(lite), data="sample://wine", repeats=1)
    assert len(result.importance) == 13
    assert any("no gradients" in warning for warning in result.warnings)
    with pytest.raises(InvalidJob, match="no column 'truth' with the truth"):
        result_of(open_run(wide), data="sample://wine", methods=["importance"], target="truth")
    with pytest.raises(InvalidJob, match="rows names 99, and there are 36 rows"):
        result_of(open_run(wide), data="sample://wine", methods=["gradients"], rows=[0, 99])


def test_an_explanation_obeys_a_stop_in_the_middle(trained: Trained, open_run: OpenRun) -> None:
    version = trained("sample://wine", 15)
    asked = iter(range(100))

    def stop() -> str | None:
        return "cancel" if next(asked) > 20 else None

    run = replace(open_run(version), stop_requested=stop)  # type: ignore[arg-type]
    with pytest.raises(Stopped):
        result_of(run, data="sample://wine")
    run = replace(open_run(version), stop_requested=lambda: "cancel")
    with pytest.raises(Stopped):
        result_of(run, data="sample://wine", methods=["gradients"])


@pytest.mark.usefixtures("pages_drawn")
@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("sample://wine", ("<svg", 'class="bar"')),
        pytest.param("sample://reviews", ('class="text"', "rgba("), marks=pytest.mark.slow),
        pytest.param("sample://shapes", ("data:image/png;base64,",), marks=pytest.mark.slow),
    ],
)
def test_the_page_has_bars_shaded_words_and_heat_maps(
    data: str, wanted: tuple[str, ...], trained: Trained, open_run: OpenRun
) -> None:
    architecture = kinds.CNN(filters=(8, 16)) if data.endswith("shapes") else None
    fields = {"target": "sentiment"} if data.endswith("reviews") else {}
    epochs = {"sample://wine": 15, "sample://reviews": 6, "sample://shapes": 4}[data]
    version = trained(data, epochs, architecture, **fields)
    run = open_run(version)
    result = result_of(run, data=data, rows=2, repeats=1)
    page = run.store.read(result.files["html"]).decode()
    assert all(each in page for each in wanted), data
    assert "<script" not in page
    assert ExplainResult.model_validate_json(result.model_dump_json()) == result
    assert result.shown().files == result.files
    assert "row 0" in result._repr_html_()


def test_words_are_those_that_keras_splits() -> None:
    layer = keras.layers.TextVectorization(vocabulary=["good", "bad"], output_mode="int")
    text = "Good — GOOD, not\tbad! ?? x-ray"
    words = words_of(layer, text)
    ids = layer(np.array([text]))[0].numpy()
    known = {"good": 2, "bad": 3}
    assert [known.get(word, 1) for _, word in words] == ids.tolist()
    assert [word for word, _ in words] == ["Good", "—", "GOOD,", "not", "bad!", "x-ray"]
    assert shared_among(words, ["[UNK]", "good", "bad"], [0.3, 1.0, -2.0]) == pytest.approx(
        [0.5, 0.1, 0.5, 0.1, -2, 0.1]
    )


def test_what_has_nothing_to_explain_says_so_even_where_it_is_named() -> None:
    def part(name: str, task: str, classes: tuple[str, ...] = ()) -> Signature:
        output = {"name": name, "shape": (4, 4, 2) if task == "pixels" else (1,), "dtype": "float32"}
        fields = {"inputs": (), "outputs": (output,), "task": task, "classes": classes, "target": name}
        return Signature.model_validate(fields)

    def explained(wanted: str | None, *parts: Signature) -> tuple[Explained, ...]:
        named = {each.outputs[0].name: each for each in parts}
        outputs = [each.outputs[0] for each in parts]
        several = Signature(inputs=(), outputs=tuple(outputs), task="several", parts=named)
        return explained_of(several, wanted, "m@1", list(named), dict.fromkeys(named, False))

    masks = part("left", "pixels", ("0", "1")), part("right", "pixels", ("0", "1"))
    price = part("price", "regression")
    assert [each.name for each in explained(None, masks[0], price)] == ["price"]
    for wanted, parts in ((None, masks), ("left", (masks[0], price)), ("left.1", masks)):
        with pytest.raises(InvalidJob, match=r"m@1 gives a class for each pixel.*methods=\['importance'\]"):
            explained(wanted, *parts)


def test_an_array_with_many_axes_is_explained_as_one_column(register: Register, open_run: OpenRun) -> None:
    shape = (2, 3, 4, 2)
    x = keras.Input(shape, name="x")
    model = keras.Model(x, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    spec, output = TensorSpec(name="x", shape=shape, dtype="float32"), TensorSpec(name="y", shape=(1,), dtype="float32")
    version = register(model, Signature(inputs=(spec,), outputs=(output,), task="regression", target="y"))
    rows = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    for each in all_of(result_of(open_run(version), given=inlined(rows))):
        assert_complete(each)
        assert (set(each.columns), each.pixels) == ({"x"}, {})


@pytest.mark.parametrize("most", [1, 7, 100, 1000])
def test_rows_are_drawn_alike_whatever_the_batches(most: int, open_run: OpenRun) -> None:
    def batches(*sizes: int) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
        starts = np.cumsum([0, *sizes])
        for start, size in zip(starts, sizes, strict=False):
            yield {"x": np.arange(start, start + size)}, {"": np.arange(start, start + size) * 2}

    one, many = (drawn(batches(*sizes), most, 5, None, open_run()) for sizes in ([150], [3, 40, 1, 100, 6]))
    assert (one.of, many.of) == (150, 150)
    assert one.rows == min(most, 150)
    for each in (one, many):
        np.testing.assert_array_equal(each.tensors["x"], one.tensors["x"])
        np.testing.assert_array_equal(each.truth[""], one.tensors["x"] * 2)
    assert (np.diff(one.tensors["x"]) > 0).all()


def test_large_pictures_become_small_maps() -> None:
    assert pixel_block([(32, 32)], 10) == 1
    assert pixel_block([(4, 3)], 1 << 20) == 4, "one place is the least"
    for shape, rows in (((4096, 4096), 1), ((4096, 16), 3), ((224, 224), 256)):
        block = pixel_block([shape], rows)
        height, width = -(-shape[0] // block), -(-shape[1] // block)
        assert max(height, width) <= 128
        assert rows * height * width <= 1 << 16


def test_maps_of_many_numbers_are_bounded_together(register: Register, open_run: OpenRun) -> None:
    shape, numbers = (96, 96), 8
    x = keras.Input(shape, name="x")
    model = keras.Model(x, keras.layers.Dense(numbers)(keras.layers.Flatten()(x)))
    spec, output = TensorSpec(name="x", shape=shape, dtype="float32"), TensorSpec(name="y", shape=(8,), dtype="float32")
    version = register(model, Signature(inputs=(spec,), outputs=(output,), task="regression", target="y"))
    rows = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    maps = [np.array(each.pixels["x"]) for each in all_of(result_of(open_run(version), given=inlined(rows)))]
    assert len(maps) == numbers
    assert sum(each.size for each in maps) <= 1 << 16


def test_many_explanations_name_fewer_columns() -> None:
    assert listed_names(1, 100) == listed_names(256, 100) == 100
    assert 8 <= listed_names(16 * 256, 100) < 10


def test_columns_that_tell_each_other_are_named() -> None:
    names = ("a", "b")
    spec = TensorSpec(name="categories", shape=(2,), dtype="string", kind="category", columns=names)
    two = Signature(inputs=(spec,), outputs=(), task="regression")
    codes = np.random.default_rng(0).integers(0, 4, 100)
    same = np.array([[f"x{code}", f"y{code}"] for code in codes], dtype=object)
    [(one, other, share)] = correlated({"categories": same}, features_of(two), two)
    assert (one, other) == ("a", "b")
    assert share == pytest.approx(1)
    shuffled = same.copy()
    shuffled[:, 1] = np.random.default_rng(1).permutation(shuffled[:, 1])
    assert correlated({"categories": shuffled}, features_of(two), two) == []


def test_specs_that_cannot_run_are_refused() -> None:
    for fields, why in (
        ({}, "data is missing"),
        ({"given": "x", "methods": ["importance"]}, "importance is measured on data"),
        ({"given": "x", "baseline": "mean"}, "baseline='mean' is that of data"),
        ({"data": "d.csv", "rows": 257}, "rows"),
        ({"data": "d.csv", "rows": 0, "methods": ["gradients"]}, "rows names none to be explained"),
        ({"data": "d.csv", "methods": ["importance", "importance"]}, "named twice"),
    ):
        with pytest.raises(InvalidJob, match=why):
            Explain.model_validate({"model": "m", **fields})


def test_explanations_show_themselves() -> None:
    each = Attribution(target="yes", value=0.9, base=0.4, columns={"<b>": 0.5}, steps=32, error=0.0, complete=True)
    shown = Explanation.model_validate({"row": 3, "prediction": {"label": "yes"}, "outputs": {"churned": each}})
    assert "&lt;b&gt; +0.5" in shown._repr_html_()
    assert shown.columns == {"<b>": 0.5}


def test_events_tell_of_what_takes_long(
    trained: Trained, open_run: OpenRun, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stoker_workers.ml.progress._INTERVAL_S", 0.0)
    version = trained("sample://wine", 15)
    result_of(open_run(version), data="sample://wine", repeats=1, rows=2)
    stages = {event.stage for event in events if event.type == "progress"}
    assert {"reading", "shuffling columns", "integrating gradients"} <= stages
