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
from sklearn.inspection import permutation_importance

from stoker import kinds
from stoker.errors import InvalidJob
from stoker.events import Event
from stoker.kinds import Attribution, Explain, Explanation, ExplainResult, Train
from stoker.models.access import Access
from stoker.models.inline import inlined, read_inline
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion, Signature, TensorSpec
from stoker.models.rows import MISSING_CATEGORY
from stoker.models.store import Store
from stoker.models.tensors import Array
from stoker_workers.kinds import explain
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.data.samples import load_sample
from stoker_workers.ml.explanation.correlated import correlated
from stoker_workers.ml.explanation.features import features_of
from stoker_workers.ml.explanation.shares import pixel_block
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


def test_rows_of_a_table_with_all_kinds_of_columns_are_explained_completely(trained: Trained, open_run: OpenRun) -> None:
    version = trained(CHURN, 8, target="churned")
    run = open_run(version)
    result = result_of(run, data=CHURN, rows=12, repeats=2)
    assert len(result.explanations) == 12
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
    nothing = Inputs(version.signature, version.ref).encoded(dict.fromkeys(one.columns, [None]))
    assert isinstance(nothing, dict)
    assert one.target == "yes"
    assert one.base == pytest.approx(float(predictor_of(version, run).predict(nothing)[0, 0]), abs=1e-5)
    assert_complete(one.only)


@pytest.mark.parametrize("architecture", [None, kinds.Text(cell="mean"), kinds.Text(cell="lstm", units=8)], ids=repr)
def test_texts_are_explained_word_by_word(architecture: kinds.Text | None, trained: Trained, open_run: OpenRun) -> None:
    version = trained("sample://reviews", 6, architecture)
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
    result = result_of(run, data="sample://wine", methods=["importance"], repeats=7, seed=3)
    [columns] = load_sample("wine", "test").batches(1000)
    x, y = columns["x"], columns["y"]
    predictor = predictor_of(version, run)
    classes = np.array(version.signature.classes)

    class Model:
        def fit(self, *_: object) -> None: ...

        def predict(self, rows: Array) -> Array:
            labels: Array = classes[predictor.predict(rows.astype(np.float32)).argmax(axis=1)]
            return labels

        def score(self, rows: Array, truth: Array) -> float:
            return float((self.predict(rows) == truth.astype(str)).mean())

    theirs = permutation_importance(Model(), x, y, n_repeats=7, random_state=3)
    ours = {each.column: each for each in result.importance}
    assert len(ours) == 13
    for place in range(13):
        one = ours[f"x[{place}]"]
        assert one.drop == theirs.importances_mean[place]
        assert one.spread == theirs.importances_std[place]
    assert result.rows == len(x)
    assert not result.explanations
    assert any("'x[5]' and 'x[6]'" in warning for warning in result.warnings), "phenols and flavanoids"


def test_importance_of_numbers_is_scikit_learns_own_too(trained: Trained, open_run: OpenRun) -> None:
    version = trained("sample://diabetes", 15)
    run = open_run(version)
    result = result_of(run, data="sample://diabetes", methods=["importance"], repeats=3)
    [columns] = load_sample("diabetes", "test").batches(1000)
    predictor = predictor_of(version, run)

    class Model:
        def fit(self, *_: object) -> None: ...

        def predict(self, rows: Array) -> Array:
            return predictor.predict(rows.astype(np.float32))[:, 0]

    for scoring, ours in (("r2", "drop"), ("neg_mean_squared_error", "loss")):
        theirs = permutation_importance(
            Model(), columns["x"], columns["y"], scoring=scoring, n_repeats=3, random_state=0
        )
        for each in result.importance:
            place = int(each.column[2:-1])
            assert getattr(each, ours) == pytest.approx(theirs.importances_mean[place], rel=1e-9)
