"""Files that were cut: none is read as if it were whole, where its format can tell.

At every byte in the tests that are marked slow, and at some bytes in all others.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker_workers.ml import data

ROWS = 3
# A prime, so that the places of the cuts fall on all parts of what repeats itself.
STEP = 17
EVERY = pytest.mark.parametrize("step", [STEP, pytest.param(1, marks=pytest.mark.slow)])


@pytest.fixture(params=[1 << 27, 0], ids=["in memory", "streamed"])
def _size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "IN_MEMORY_BYTES", request.param)


def rows_in(path: Path) -> int | None:
    """How many rows are read of a file, in batches that end within it; None if it is refused, and named."""
    try:
        source = data.open_source(str(path), "train", Access(["/"], "/"), path.parent)
        return sum(len(next(iter(batch.values()))) for batch in source.batches(3))
    except InvalidJob as error:
        return None if str(path) in error.message else -1


def rows_of_cuts(whole: Path, step: int, *more: int) -> dict[int, int]:
    """How many rows are read of a file's first bytes, by their number, where that is not refused.

    Args:
        step: between two cuts, from the end on.
        more: other places to cut it.
    """
    content = whole.read_bytes()
    assert rows_in(whole) == ROWS
    part = whole.with_stem("part")
    read = {}
    for size in sorted({*range(len(content) - 1, -1, -step), *range(min(len(content), 9)), *more}):
        part.write_bytes(content[:size])
        rows = rows_in(part)
        if rows is not None:
            read[size] = rows
    return read


def records() -> list[bytes]:
    def record(row: int) -> bytes:
        text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"t" * (1 + row % 2)]))
        return bytes(tf.train.Example(features=tf.train.Features(feature={"t": text})).SerializeToString())

    return [record(row) for row in range(ROWS)]


@EVERY
@pytest.mark.usefixtures("_size")
def test_records_are_read_only_of_a_file_that_ends_with_one(step: int, tmp_path: Path) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "t.tfrecord")) as writer:
        ends, size = {}, 0
        for count, record in enumerate(records(), 1):
            writer.write(record)
            size += len(record) + 16
            ends[size] = count
    del ends[size]
    around = [end + off for end in ends for off in (-1, 0, 1)]
    assert rows_of_cuts(tmp_path / "t.tfrecord", step, *around) == ends


def test_records_of_a_compressed_file_are_read_of_a_whole_one(tmp_path: Path) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "t.tfrecord"), "GZIP") as writer:
        for record in records():
            writer.write(record)
    content = (tmp_path / "t.tfrecord").read_bytes()
    assert rows_in(tmp_path / "t.tfrecord") == ROWS
    for size in (2, len(content) // 2, len(content) - 1):
        (tmp_path / f"{size}.tfrecord").write_bytes(content[:size])
        assert rows_in(tmp_path / f"{size}.tfrecord") is None


def test_the_shard_that_was_cut_is_the_one_that_is_named(tmp_path: Path) -> None:
    for shard in "abc":
        with tf.io.TFRecordWriter(str(tmp_path / f"{shard}.tfrecord")) as writer:
            for record in records():
                writer.write(record)
    whole = (tmp_path / "b.tfrecord").read_bytes()
    (tmp_path / "b.tfrecord").write_bytes(whole[:-20])
    with pytest.raises(InvalidJob, match=r"b\.tfrecord is malformed"):
        data.open_source(f"{tmp_path}/*.tfrecord", "train", Access(["/"], "/"), tmp_path)


@EVERY
@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize("compressed", [False, True])
def test_no_part_of_an_npz_is_read(compressed: bool, step: int, tmp_path: Path) -> None:
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "t.npz", x=np.arange(2.0 * ROWS).reshape(ROWS, 2), y=np.arange(ROWS))
    assert rows_of_cuts(tmp_path / "t.npz", step) == {}


@EVERY
@pytest.mark.usefixtures("_size")
def test_no_part_of_a_parquet_file_is_read(step: int, tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"a": range(ROWS), "t": list("abc")}), tmp_path / "t.parquet", row_group_size=2)
    assert rows_of_cuts(tmp_path / "t.parquet", step) == {}


@pytest.mark.usefixtures("_size")
def test_a_csv_whose_last_line_has_too_few_columns_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,t\n" + "10,x\n" * ROWS)
    # Of a line that holds all its commas nobody can tell how it went on, and of a first one not even that.
    assert {size % 5 for size in rows_of_cuts(tmp_path / "t.csv", 1) if size > 1} == {4, 2, 3}
