"""The bulk `Infer` job from end to end."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from stoker.cli.joining import join
from stoker.errors import InvalidJob
from stoker.events import Checkpoint, Event, Log, Progress
from stoker.kinds import Infer, InferResult
from stoker.models.guard import Guard
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.store import Store
from stoker_workers.kinds.infer import run as infer
from stoker_workers.ml import progress
from stoker_workers.ml.run import Children, Run, Stopped

OpenRun = Callable[..., Run]
Damaged = Callable[[Store, Artifact], tuple[Artifact, ...]]


@pytest.fixture(scope="module")
def doubler(register: Callable[..., ModelVersion]) -> ModelVersion:
    """A model that doubles both columns: what comes out tells which row went in."""
    x = keras.Input((2,), name="x")
    model = keras.Model(x, keras.layers.Rescaling(2.0)(x))
    spec = TensorSpec(name="x", shape=(2,), dtype="float32")
    return register(model, Signature(inputs=(spec,), outputs=(spec,), task="regression"), "doubler")


def save(path: Path, rows: int) -> str:
    np.savez(path, x=np.arange(2 * rows, dtype=np.float32).reshape(rows, 2))
    return str(path)


def result_of(run: Run, data: str, **fields: Any) -> InferResult:
    result = infer(Infer(model="doubler@1", data=data, **fields), run).result
    assert isinstance(result, InferResult)
    return result


def predictions(result: InferResult, store: Store, folder: Path) -> list[NDArray[np.float32]]:
    return [np.load(store.fetch(chunk, folder), allow_pickle=False) for chunk in result.chunks]


@pytest.mark.parametrize(
    ("rows", "batch_size", "chunk_rows", "lengths"),
    [
        (10, 4, 4, [4, 4, 2]),
        (10, 4, 3, [3, 3, 3, 1]),
        (10, 3, 5, [5, 5]),
        (10, 3, 100, [10]),
        (10, 100, 3, [3, 3, 3, 1]),
        (1, 1, 1, [1]),
    ],
)
def test_every_row_is_predicted_in_order_in_chunks_of_the_size_asked_for(
    rows: int, batch_size: int, chunk_rows: int, lengths: list[int],
    doubler: ModelVersion, open_run: OpenRun, store: Store, tmp_path: Path,
) -> None:  # fmt: skip
    data = save(tmp_path / "data.npz", rows)
    result = result_of(open_run(doubler), data, batch_size=batch_size, chunk_rows=chunk_rows)
    chunks = predictions(result, store, tmp_path)
    assert [len(chunk) for chunk in chunks] == lengths
    np.testing.assert_array_equal(np.concatenate(chunks), 2 * np.arange(2 * rows).reshape(rows, 2))
    assert result.model == "doubler@1"
    assert result.rows == rows
    assert result.rows_per_s > 0


def test_the_same_data_gives_the_same_chunks(doubler: ModelVersion, open_run: OpenRun, tmp_path: Path) -> None:
    data = save(tmp_path / "data.npz", 20)
    assert result_of(open_run(doubler), data).chunks == result_of(open_run(doubler), data).chunks


def test_columns_that_the_model_does_not_know_are_ignored(
    doubler: ModelVersion, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones((3, 2)), y=np.array(["a", "b", "c"]))
    result = result_of(open_run(doubler), str(tmp_path / "data.npz"))
    np.testing.assert_array_equal(predictions(result, store, tmp_path)[0], np.full((3, 2), 2))


def test_chunks_leave_the_scratch_folder_for_the_store(
    doubler: ModelVersion, open_run: OpenRun, tmp_path: Path
) -> None:
    run = open_run(doubler)
    result_of(run, save(tmp_path / "data.npz", 10), chunk_rows=2)
    assert list(run.scratch.iterdir()) == []


def test_progress_is_told_with_speed_and_time_left(
    doubler: ModelVersion, open_run: OpenRun, tmp_path: Path, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_INTERVAL_S", 0.0)
    result_of(open_run(doubler), save(tmp_path / "data.npz", 10), batch_size=4)
    told = [event for event in events if isinstance(event, Progress)]
    assert [(event.stage, event.done, event.total) for event in told] == [
        ("predicting", 4, 10), ("predicting", 8, 10), ("predicting", 10, 10)
    ]  # fmt: skip
    assert all(event.rows_per_s is not None and event.rows_per_s > 0 for event in told)
    assert [event.eta_s == 0 for event in told] == [False, False, True]


@pytest.mark.parametrize("batches", [0, 2])
def test_a_stop_takes_effect_before_the_next_batch(
    batches: int, doubler: ModelVersion, open_run: OpenRun, tmp_path: Path
) -> None:
    asked: list[None] = []

    def stop_requested() -> str | None:
        asked.append(None)
        return "drain" if len(asked) > batches else None

    with pytest.raises(Stopped) as stopped:
        result_of(open_run(doubler, stop_requested=stop_requested), save(tmp_path / "data.npz", 10), batch_size=2)
    assert stopped.value.reason == "drain"
    assert len(asked) == batches + 1


def test_data_without_rows_is_refused(doubler: ModelVersion, open_run: OpenRun, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match="has no rows to predict"):
        result_of(open_run(doubler), save(tmp_path / "data.npz", 0))


def test_a_value_that_is_no_number_is_refused_with_its_row(
    doubler: ModelVersion, open_run: OpenRun, tmp_path: Path
) -> None:
    x = np.ones((10, 2))
    x[7, 1] = np.nan
    np.savez(tmp_path / "data.npz", x=x)
    with pytest.raises(InvalidJob, match="column 'x' holds nan in row 7"):
        result_of(open_run(doubler), str(tmp_path / "data.npz"), batch_size=4)


def drained_after(batches: int) -> Callable[[], str | None]:
    """Asks to drain before the batch behind so many."""
    asked = iter(range(batches))
    return lambda: None if next(asked, None) is not None else "drain"


def test_a_drained_job_goes_on_behind_its_last_whole_chunk(
    doubler: ModelVersion, open_run: OpenRun, events: list[Event], store: Store, tmp_path: Path
) -> None:
    data = save(tmp_path / "data.npz", 10)
    with pytest.raises(Stopped):
        result_of(open_run(doubler, stop_requested=drained_after(3)), data, batch_size=2, chunk_rows=4)
    [left] = [event for event in events if isinstance(event, Checkpoint)]
    assert left.step == 1

    result = result_of(replace(open_run(doubler), checkpoints=(left.artifact,)), data, batch_size=2, chunk_rows=4)

    assert result.rows == 10
    np.testing.assert_array_equal(
        np.concatenate(predictions(result, store, tmp_path)), 2 * np.arange(20).reshape(10, 2)
    )


def test_a_job_that_is_drained_twice_within_one_chunk_saves_nothing_the_second_time(
    doubler: ModelVersion, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    data = save(tmp_path / "data.npz", 10)
    with pytest.raises(Stopped):
        result_of(open_run(doubler, stop_requested=drained_after(3)), data, batch_size=2, chunk_rows=4)
    [left] = [event for event in events if isinstance(event, Checkpoint)]
    again = replace(open_run(doubler, stop_requested=drained_after(1)), checkpoints=(left.artifact,))

    with pytest.raises(Stopped):
        result_of(again, data, batch_size=2, chunk_rows=4)

    assert [event for event in events if isinstance(event, Checkpoint)] == [left]


def test_two_attempts_that_come_equally_far_share_no_checkpoint(
    doubler: ModelVersion, open_run: OpenRun, events: list[Event], tmp_path: Path
) -> None:
    data = save(tmp_path / "data.npz", 10)
    for _ in range(2):
        with pytest.raises(Stopped):
            result_of(open_run(doubler, stop_requested=drained_after(3)), data, batch_size=2, chunk_rows=4)

    first, second = (event for event in events if isinstance(event, Checkpoint))

    assert first.artifact.digest != second.artifact.digest


def test_a_checkpoint_of_another_version_does_not_count(
    doubler: ModelVersion, open_run: OpenRun, events: list[Event], store: Store, tmp_path: Path
) -> None:
    data = save(tmp_path / "data.npz", 10)
    with pytest.raises(Stopped):
        result_of(open_run(doubler, stop_requested=drained_after(3)), data, batch_size=2, chunk_rows=4)
    [left] = [event for event in events if isinstance(event, Checkpoint)]
    other = doubler.model_copy(update={"version": 2})

    result = result_of(replace(open_run(other), checkpoints=(left.artifact,)), data, batch_size=2, chunk_rows=4)

    assert (result.model, result.rows) == ("doubler@2", 10)
    assert len(predictions(result, store, tmp_path)) == 3


def test_damaged_checkpoints_are_left_out(
    doubler: ModelVersion, open_run: OpenRun, events: list[Event], store: Store, tmp_path: Path, damaged: Damaged
) -> None:
    data = save(tmp_path / "data.npz", 10)
    with pytest.raises(Stopped):
        result_of(open_run(doubler, stop_requested=drained_after(3)), data, batch_size=2, chunk_rows=4)
    [left] = [event.artifact for event in events if isinstance(event, Checkpoint)]
    copies = damaged(store.of_job("job"), left)

    for checkpoints, batches in ((left, *copies), 3), (copies, 5):
        events.clear()
        asked: list[None] = []
        run = replace(open_run(doubler, stop_requested=lambda asked=asked: asked.append(None)), checkpoints=checkpoints)
        result = result_of(run, data, batch_size=2, chunk_rows=4)

        assert len(asked) == batches
        np.testing.assert_array_equal(
            np.concatenate(predictions(result, store, tmp_path)), 2 * np.arange(20).reshape(10, 2)
        )
        told = [event.line.partition(" is left out: ")[0] for event in events if isinstance(event, Log)]
        assert told[:5] == ["null", "cut", "empty", "gone", "flipped"]


def test_what_is_worth_several_jobs_is_spread_by_whole_chunks_over_one_version(
    doubler: ModelVersion, open_run: OpenRun, tmp_path: Path
) -> None:
    run = replace(open_run(doubler), slots=2, part_s=1e-9)
    with pytest.raises(Children) as asked:
        result_of(run, save(tmp_path / "data.npz", 1_000), chunk_rows=300)

    children = [child for child in asked.value.specs if isinstance(child, Infer)]
    assert {child.model for child in children} == {"doubler@1"}
    assert [child.rows for child in children] == [(0, 300), (300, 600), (600, 900), (900, 1_000)]


@pytest.mark.parametrize("fields", [{"slots": 1, "part_s": 1e-9}, {"slots": 8, "part_s": 3600.0}])
def test_what_is_not_worth_it_is_done_as_it_is(
    doubler: ModelVersion, open_run: OpenRun, tmp_path: Path, fields: dict[str, Any]
) -> None:
    result = result_of(replace(open_run(doubler), **fields), save(tmp_path / "data.npz", 1_000), chunk_rows=300)

    assert (result.rows, len(result.chunks)) == (1_000, 4)


@pytest.fixture(scope="module")
def chooser(register: Callable[..., ModelVersion]) -> ModelVersion:
    """A model of the column "b" alone, which is the raw score of the class "yes"."""
    tensor = TensorSpec(name="features", shape=(1,), dtype="float32", kind="number", gaps=True, columns=("b",))
    b = keras.Input((1,), name="features")
    output = TensorSpec(name="output", shape=(1,), dtype="float32")
    signature = Signature(inputs=(tensor,), outputs=(output,), task="binary", classes=("no", "yes"), logits=True)
    return register(keras.Model(b, keras.layers.Rescaling(1.0)(b)), signature, "chooser")


TABLE = "id,b,when\n7,0,2026-01-31\n,2,\n9,-2,2026-02-01\n"


@pytest.mark.parametrize("table_format", ["parquet", "csv"])
def test_a_table_has_the_predictions_beside_columns_of_the_data(
    table_format: Literal["parquet", "csv"], chooser: ModelVersion, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text(TABLE)

    spec = Infer(
        model="chooser@1", data=str(tmp_path / "data.csv"), format=table_format, columns=("when", "id"), chunk_rows=2
    )
    result = infer(spec, open_run(chooser)).result

    assert isinstance(result, InferResult)
    assert [chunk.name for chunk in result.chunks] == [f"predictions-0000{n}.{table_format}" for n in (0, 1)]
    paths = [store.fetch(chunk, tmp_path) for chunk in result.chunks]
    read = pa.parquet.read_table if table_format == "parquet" else pa.csv.read_csv
    table = pa.concat_tables([read(path) for path in paths], promote_options="permissive")
    assert table.column_names == ["when", "id", "label", "probability_no", "probability_yes"]
    assert table["id"].to_pylist() == [7, None, 9]
    assert [str(day)[:10] for day in table["when"].to_pylist()] == ["2026-01-31", "None", "2026-02-01"]
    assert table["label"].to_pylist() == ["no", "yes", "no"]
    second = 1 / (1 + np.exp([0, -2, 2]))
    np.testing.assert_allclose(table["probability_yes"].to_pylist(), second, rtol=1e-5)
    np.testing.assert_allclose(table["probability_no"].to_pylist(), 1 - second, rtol=1e-5)


def test_a_table_of_numbers_has_a_column_for_each(
    doubler: ModelVersion, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    result = result_of(open_run(doubler), save(tmp_path / "data.npz", 3), format="parquet", columns=("x",))
    table = pa.parquet.read_table(store.fetch(result.chunks[0], tmp_path))
    assert table.to_pydict() == {"x": [[0, 1], [2, 3], [4, 5]], "value_0": [0, 4, 8], "value_1": [2, 6, 10]}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_table_takes_lists_of_texts_and_of_numbers_along_however_empty(
    suffix: str, chooser: ModelVersion, open_run: OpenRun, store: Store, tmp_path: Path
) -> None:
    tags: list[list[str] | None] = [[], [], ["love story", "war"], None, [], ["ä"]]
    sizes: list[list[float] | None] = [[], None, [1.5], [], [2.5, 3.0], []]
    data = tmp_path / f"data.{suffix}"
    if suffix == "parquet":
        pa.parquet.write_table(pa.table({"tags": tags, "sizes": sizes, "b": range(6)}), data)
    else:
        rows = [{"tags": tag, "sizes": size, "b": n} for n, (tag, size) in enumerate(zip(tags, sizes, strict=True))]
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    # A chunk of empty lists alone does not know of what, and is joined with the others all the same.
    spec = Infer(model="chooser@1", data=str(data), format="parquet", columns=("tags", "sizes"), chunk_rows=2)
    result = infer(spec, open_run(chooser)).result
    assert isinstance(result, InferResult)
    join(result.chunks, store, tmp_path / "whole.parquet")
    whole = pa.parquet.read_table(tmp_path / "whole.parquet")
    assert (whole["tags"].to_pylist(), whole["sizes"].to_pylist()) == (tags, sizes)
    with pytest.raises(InvalidJob, match=r"column 'tags' holds list<.*>, which .csv cannot.*parquet"):
        infer(spec.model_copy(update={"format": "csv"}), open_run(chooser))


def test_columns_that_no_table_can_hold_are_refused(
    chooser: ModelVersion, doubler: ModelVersion, open_run: OpenRun, tmp_path: Path
) -> None:
    data = save(tmp_path / "data.npz", 3)
    with pytest.raises(InvalidJob, match=r"columns names 'id', which .*data.npz has not; it has 'x'"):
        result_of(open_run(doubler), data, format="csv", columns=("id",))
    with pytest.raises(InvalidJob, match=r"column 'x' holds .*list.*, which .csv cannot.*parquet"):
        result_of(open_run(doubler), data, format="csv", columns=("x",))
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text('{"b": 1, "c": [1, "a"]}\n' * 2)
    with pytest.raises(InvalidJob, match="column 'c' holds what no column of a table can: leave it out of columns"):
        infer(Infer(model="chooser@1", data=str(mixed), format="parquet", columns=("c",)), open_run(chooser))
    with pytest.raises(InvalidJob, match="columns names 'label', as a column of predictions is called"):
        result_of(open_run(chooser), data, format="csv", columns=("label",))
    with pytest.raises(InvalidJob, match="set format to 'parquet' or 'csv'"):
        Infer(model="m", data=data, columns=("id",))


def test_children_write_the_same_table(chooser: ModelVersion, open_run: OpenRun, tmp_path: Path) -> None:
    data = tmp_path / "data.parquet"
    pa.parquet.write_table(pa.table({"id": range(1_000), "b": np.zeros(1_000)}), data)
    spec = Infer(model="chooser@1", data=str(data), format="csv", columns=("id",), chunk_rows=300)

    with pytest.raises(Children) as asked:
        infer(spec, replace(open_run(chooser), slots=2, part_s=1e-9))

    children = [child for child in asked.value.specs if isinstance(child, Infer)]
    assert [child.rows for child in children] == [(0, 300), (300, 600), (600, 900), (900, 1_000)]
    assert {(child.format, child.columns) for child in children} == {("csv", ("id",))}


def test_rows_that_the_models_guard_refuses_end_the_job_with_the_row(
    doubler: ModelVersion, open_run: OpenRun, tmp_path: Path
) -> None:
    run = open_run(doubler)
    data = save(tmp_path / "rows.npz", 8)
    assert result_of(replace(run, guard=Guard(ranges={"x": (0, 15)}, most_rows=1)), data).rows == 8
    with pytest.raises(InvalidJob, match=r"guard of doubler refuses row 3 .*: x is 6, and may be at most 5"):
        result_of(replace(run, guard=Guard(ranges={"x": (None, 5)})), data)
