"""Sources: every format gives the same columns, whole or streamed, in batches of any size."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker.models.data import SAMPLES
from stoker_workers.ml import data
from stoker_workers.ml.data import Column, RowRange, Source, Values, arrays, copies
from stoker_workers.ml.data.tfrecords import RecordStream

ROWS = 10
AGES = np.arange(ROWS) * 1.5
COUNTS = np.arange(ROWS)
COLOURS = [("red", "green", "blue")[row % 3] for row in range(ROWS)]


def open_source(ref: str, part: Literal["train", "test"]) -> Source:
    """Data of this machine, anywhere on it."""
    return data.open_source(ref, part, Access(["/"], "/"), Path("/nowhere"))


def write_csv(folder: Path) -> str:
    lines = [f"{age},{count},{colour}" for age, count, colour in zip(AGES, COUNTS, COLOURS, strict=True)]
    (folder / "a.csv").write_text("\n".join(["age,count,colour", *lines[:4]]))
    (folder / "b.csv").write_text("\n".join(["age,count,colour", *lines[4:]]))
    return f"{folder}/*.csv"


def write_parquet(folder: Path) -> str:
    table = pa.table({"age": AGES, "count": COUNTS, "colour": COLOURS})
    pa.parquet.write_table(table.slice(0, 7), folder / "a.parquet", row_group_size=3)
    pa.parquet.write_table(table.slice(7), folder / "b.parquet")
    return f"{folder}/*.parquet"


def write_tfrecord(folder: Path) -> str:
    for name, part in (("a", range(6)), ("b", range(6, ROWS))):
        with tf.io.TFRecordWriter(str(folder / f"{name}.tfrecord")) as writer:
            for row in part:
                features = {
                    "age": tf.train.Feature(float_list=tf.train.FloatList(value=[AGES[row]])),
                    "count": tf.train.Feature(int64_list=tf.train.Int64List(value=[COUNTS[row]])),
                    "colour": tf.train.Feature(bytes_list=tf.train.BytesList(value=[COLOURS[row].encode()])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return f"{folder}/*.tfrecord"


def rows_of(source: Source, rows: int = 1_000) -> dict[str, Values]:
    batches = list(source.batches(rows))
    return {column.name: np.concatenate([batch[column.name] for batch in batches]) for column in source.columns}


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_tfrecord])
@pytest.mark.parametrize("in_memory_bytes", [1 << 20, 0], ids=["in memory", "streamed"])
def test_every_format_gives_the_same_columns(
    write: Callable[[Path], str], in_memory_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "IN_MEMORY_BYTES", in_memory_bytes)
    source = open_source(write(tmp_path), "train")
    assert source.in_memory == bool(in_memory_bytes)
    assert {(column.name, column.dtype[:5], column.shape) for column in source.columns} == {
        ("age", "float", ()),
        ("count", "int64", ()),
        ("colour", "strin", ()),
    }
    for _ in range(2):
        assert [len(batch["age"]) for batch in source.batches(4)] == [4, 4, 2]
        read = rows_of(source, rows=3)
        np.testing.assert_allclose(read["age"], AGES)
        np.testing.assert_array_equal(read["count"], COUNTS)
        assert read["colour"].tolist() == COLOURS


@pytest.mark.parametrize("name", SAMPLES)
def test_the_parts_of_a_sample_set_are_disjoint_and_always_the_same(name: str) -> None:
    train, test = (rows_of(open_source(f"sample://{name}", part)) for part in ("train", "test"))
    assert tuple(train) == SAMPLES[name]
    rows, held_out = (len(next(iter(part.values()))) for part in (train, test))
    assert held_out == pytest.approx(0.2 * (rows + held_out), abs=4)
    again = rows_of(open_source(f"sample://{name}", "test"))
    for column, values in test.items():
        np.testing.assert_array_equal(again[column], values)
    if "y" in train and name != "diabetes":
        shares = [np.bincount(part["y"]) / len(part["y"]) for part in (train, test)]
        np.testing.assert_allclose(shares[0], shares[1], atol=0.02)


def test_the_newest_hours_of_consumption_are_the_test_rows() -> None:
    train, test = (rows_of(open_source("sample://consumption", part)) for part in ("train", "test"))
    assert train["when"].max() < test["when"].min()


def test_arrays_keep_their_shapes_and_types(tmp_path: Path) -> None:
    for shard in ("a", "b"):
        np.savez(tmp_path / f"{shard}.npz", x=np.ones((3, 8, 8), np.uint8), y=np.array(["u", "v", "w"]))
    source = open_source(f"{tmp_path}/*.npz", "train")
    assert source.columns == (Column("x", "uint8", (8, 8)), Column("y", "string"))
    assert source.rows == 6
    assert rows_of(source)["y"].tolist() == ["u", "v", "w"] * 2


def test_empty_texts_of_arrays_are_missing_and_said(tmp_path: Path) -> None:
    for dtype in ("U5", "S5"):
        np.savez(tmp_path / "t.npz", x=np.ones((4, 2)), y=np.array(["u", "", "v", ""], dtype))
        source = open_source(f"{tmp_path}/t.npz", "train")
        assert rows_of(source)["y"].tolist() == ["u", None, "v", None]
        assert source.notes == ("y: 50.0 % missing (empty)",)


def test_vectors_of_parquet_and_tfrecord_have_a_shape(tmp_path: Path) -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    pa.parquet.write_table(
        pa.table({"v": pa.FixedSizeListArray.from_arrays(vectors.ravel(), 4)}), tmp_path / "v.parquet"
    )
    with tf.io.TFRecordWriter(str(tmp_path / "v.tfrecord")) as writer:
        for vector in vectors:
            feature = {"v": tf.train.Feature(float_list=tf.train.FloatList(value=vector))}
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    for suffix in ("parquet", "tfrecord"):
        source = open_source(f"{tmp_path}/v.{suffix}", "train")
        assert source.columns == (Column("v", "float32", (4,)),)
        np.testing.assert_array_equal(rows_of(source)["v"], vectors)


def test_a_whole_number_column_may_hold_decimals_further_down(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n" + "1\n" * 200_000 + "1.5\n")
    source = open_source(f"{tmp_path}/t.csv", "train")
    assert source.columns == (Column("a", "float64"),)


def test_missing_numbers_are_nan_and_missing_texts_are_none(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array([1, None]), "b": pa.array([True, None]), "t": pa.array(["x", None])})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    read = rows_of(open_source(f"{tmp_path}/t.parquet", "train"))
    assert np.isnan(read["n"]).tolist() == np.isnan(read["b"]).tolist() == [False, True]
    assert read["t"].tolist() == ["x", None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty; expected a header line"),
        ("t.csv", b"a,b\n1,2\n3\n", r"t\.csv, line 3: 1 cells, but the header has 2"),
        ("t.jsonl", b'{"a": 1}\n{"a":\n', r"t\.jsonl, line 2: no JSON"),
        ("t.arrow", b"no arrow", "is malformed: it is damaged, or no file of Arrow"),
        ("t.parquet", b"no parquet", "is malformed: Parquet"),
        ("t.tfrecord", b"no records, by far", "is not a TFRecord file"),
        ("t.tfrecord", b"", "holds no records"),
        ("t.npz", b"no zip", r"cannot be read as \.npz"),
    ],
)
@pytest.mark.parametrize("in_memory_bytes", [1 << 20, 0], ids=["in memory", "streamed"])
def test_a_malformed_file_is_named(
    name: str, content: bytes, message: str, in_memory_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "IN_MEMORY_BYTES", in_memory_bytes)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidJob, match=message):
        rows_of(open_source(str(tmp_path / name), "train"))


@pytest.mark.parametrize("in_memory_bytes", [1 << 20, 0], ids=["in memory", "streamed"])
def test_shards_with_other_columns_are_refused(
    in_memory_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "IN_MEMORY_BYTES", in_memory_bytes)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_text("a,c\n1,2\n")
    with pytest.raises(InvalidJob, match=r"b\.csv has columns"):
        rows_of(open_source(f"{tmp_path}/*.csv", "train"))


def test_arrays_of_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.array([{}], dtype=object), y=np.zeros(1))
    with pytest.raises(InvalidJob, match="allow_pickle=False"):
        open_source(f"{tmp_path}/t.npz", "train")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_large_npz_gives_the_same_rows_whether_it_can_be_mapped_or_not(
    save: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "MAPPED_BYTES", 1)
    x = np.random.default_rng(0).normal(size=(70, 3)).astype(np.float32)
    save(tmp_path / "t.npz", x=np.asfortranarray(x), y=np.arange(70))

    some = RowRange(open_source(f"{tmp_path}/t.npz", "train"), 20, 55)

    batches = list(some.batches(20))
    assert [len(batch["y"]) for batch in batches] == [20, 15]
    np.testing.assert_array_equal(np.concatenate([batch["x"] for batch in batches]), x[20:55])
    assert batches[0]["y"][0] == 20


def test_some_rows_of_a_stream_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "IN_MEMORY_BYTES", 0)
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{n},{n}\n" for n in range(50)))
    stream = open_source(f"{tmp_path}/t.csv", "train")
    assert not stream.in_memory

    rows = [int(value) for batch in RowRange(stream, 7, 31).batches(10) for value in batch["a"]]

    assert rows == list(range(7, 31))


def test_a_remote_tfrecord_file_takes_half_of_the_free_disk_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = Path(write_tfrecord(tmp_path)).parent / "a.tfrecord"
    url = f"memory://{tmp_path.name}/a.tfrecord"
    fsspec.filesystem("memory").pipe_file(url, local.read_bytes())
    assert RecordStream([url], (), {}).rows
    monkeypatch.setattr(copies, "LARGEST_BYTES", 10)
    other = url.replace("a.tfrecord", "b.tfrecord")
    fsspec.filesystem("memory").pipe_file(other, local.read_bytes())
    with pytest.raises(InvalidJob, match="larger than the 10 bytes that this worker takes; split it"):
        RecordStream([other], (), {})


def test_the_keys_of_folders_are_columns_of_records_and_said_to_be_none_of_arrays(tmp_path: Path) -> None:
    for year in (2023, 2024):
        for name in ("records", "arrays"):
            (tmp_path / name / f"year={year}").mkdir(parents=True)
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[year % 10]))
        record = tf.train.Example(features=tf.train.Features(feature={"a": feature})).SerializeToString()
        with tf.io.TFRecordWriter(str(tmp_path / "records" / f"year={year}" / "part.tfrecord")) as writer:
            writer.write(record)
            writer.write(record)
        np.savez(tmp_path / "arrays" / f"year={year}" / "part.npz", x=np.ones(2))
    records = open_source(f"{tmp_path}/records", "train")
    assert [column.name for column in records.columns] == ["a", "year"]
    [batch] = records.batches(10)
    assert (batch["a"].tolist(), batch["year"].tolist()) == ([3, 3, 4, 4], [2023, 2023, 2024, 2024])
    assert "'year': left out" in open_source(f"{tmp_path}/arrays", "train").notes[0]
