"""Every reader against every way a file can be wrong: one sentence, nothing of what the file holds, no other error."""

import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker.models.data import preflight
from stoker.models.formats import FORMATS, Format
from stoker_workers.ml import data

# Pictures have tests of their own.
TABLES = tuple(file_format for file_format in FORMATS if file_format != "images")
SECRET = "s3cretinthefile"
Break = Callable[[Path, Format], None]


def whole(path: Path, file_format: Format) -> None:
    """A file that reads well, with secrets in it."""
    match file_format:
        case "csv":
            path.write_text("a,t,y\n" + "".join(f"{row},{SECRET},{row}\n" for row in range(100)))
        case "jsonl":
            path.write_text("".join(f'{{"a": {row}, "t": "{SECRET}", "y": {row}}}\n' for row in range(100)))
        case "arrow":
            table = pa.table({"a": range(100), "t": [f"{SECRET}{row}" for row in range(100)]})
            pa.feather.write_feather(table, path, compression="uncompressed")
        case "npz":
            np.savez_compressed(path, x=np.arange(300.0).reshape(100, 3), y=np.array([SECRET] * 100))
        case "parquet":
            pa.parquet.write_table(pa.table({"a": range(100), "t": [f"{SECRET}{row}" for row in range(100)]}), path)
        case "tfrecord":
            with tf.io.TFRecordWriter(str(path)) as writer:
                for row in range(100):
                    writer.write(example(a=[row], t=[f"{SECRET}{row}".encode()]))


def example(**features: list[int] | list[bytes]) -> bytes:
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if values and isinstance(values[0], bytes)
        else tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        for name, values in features.items()
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def missing(path: Path, file_format: Format) -> None: ...


def unreadable(path: Path, file_format: Format) -> None:
    whole(path, file_format)
    path.chmod(0)


def folder(path: Path, file_format: Format) -> None:
    path.mkdir()


def empty(path: Path, file_format: Format) -> None:
    path.touch()


def cut(path: Path, file_format: Format) -> None:
    whole(path, file_format)
    content = path.read_bytes()
    path.write_bytes(content[:-5] if file_format == "tfrecord" else content[: len(content) // 2 + 3])


def garbled(path: Path, file_format: Format) -> None:
    """Bytes within are others; what frames them stands."""
    whole(path, file_format)
    content = bytearray(path.read_bytes())
    if file_format == "csv":
        content[50:60] = b"\xff" * 10
    else:
        content[40:140:3] = b"\xff" * len(content[40:140:3])
    path.write_bytes(content)


def of_another_format(path: Path, file_format: Format) -> None:
    whole(path, "parquet" if file_format == "npz" else "npz")


def text(path: Path, file_format: Format) -> None:
    path.write_text(f"{SECRET}\n" * 2 + f"{SECRET},{SECRET}\n")


def not_utf8(path: Path, file_format: Format) -> None:
    match file_format:
        case "tfrecord":
            with tf.io.TFRecordWriter(str(path)) as writer:
                writer.write(example(a=[1], t=[b"\xff\xfe" + SECRET.encode()]))
        case "npz":
            np.savez(path, x=np.array([b"\xff\xfe" + SECRET.encode()]), y=np.zeros(1))
        case _:
            path.write_bytes(b"a,y\n\xff\xfe" + SECRET.encode() + b",1\n")


def of_other_columns_below(path: Path, file_format: Format) -> None:
    match file_format:
        case "tfrecord":
            with tf.io.TFRecordWriter(str(path)) as writer:
                writer.write(example(a=[1]))
                writer.write(example(a=[SECRET.encode()]))
        case "npz":
            np.savez(path, x=np.zeros((3, 2)), y=np.zeros(4))
        case _:
            path.write_text(f"a,y\n1,2\n{SECRET}\n")


def without_columns(path: Path, file_format: Format) -> None:
    match file_format:
        case "tfrecord":
            with tf.io.TFRecordWriter(str(path)) as writer:
                writer.write(example())
        case "npz":
            np.savez(path, x=np.zeros((5, 0)), y=np.zeros(5))
        case "parquet":
            pa.parquet.write_table(pa.table({}), path)
        case "arrow":
            pa.feather.write_feather(pa.table({}), path)
        case "csv" | "jsonl":
            path.write_text("\n\n\n")


def a_pipe(path: Path, file_format: Format) -> None:
    os.mkfifo(path)


def endless(path: Path, file_format: Format) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path, file_format: Format) -> None:
    path.symlink_to(path)


TEXT_FOR_ALL_ONE_KNOWS = {(garbled, "csv"), (not_utf8, "csv"), (text, "csv"), (garbled, "arrow")}
"""What a reader cannot tell from what is meant: text of other encodings, lines with commas, bytes without checksums."""

BREAKS: list[Break] = [missing, folder, empty, cut, garbled, of_another_format, text, not_utf8, of_other_columns_below,
                       without_columns, a_pipe, endless, a_loop]  # fmt: skip


@pytest.fixture(params=[1 << 27, 0], ids=["in memory", "streamed"])
def _size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "IN_MEMORY_BYTES", request.param)


def refused(path: Path) -> str:
    """The one sentence by which a file is refused; while it is opened or read."""
    with pytest.raises(InvalidJob) as error:
        for _ in data.open_source(str(path), "train", Access(["/"], "/"), path.parent).batches(10):
            pass
    message = error.value.message
    assert "\n" not in message
    assert SECRET not in message
    assert len(message) < 600
    seen: list[BaseException] = []
    cause: BaseException | None = error.value
    # What a traceback would show, which the job's owner reads.
    while cause is not None and (cause is error.value or cause not in seen):
        seen.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        assert SECRET not in str(cause)
    return message


@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize("file_format", TABLES)
@pytest.mark.parametrize("damage", BREAKS, ids=lambda damage: damage.__name__)
def test_a_file_that_is_wrong_is_refused_in_one_sentence(damage: Break, file_format: Format, tmp_path: Path) -> None:
    path = tmp_path / f"t.{file_format}"
    damage(path, file_format)
    if (damage, file_format) not in TEXT_FOR_ALL_ONE_KNOWS:
        refused(path)


@pytest.mark.parametrize("file_format", TABLES)
@pytest.mark.parametrize("damage", BREAKS, ids=lambda damage: damage.__name__)
def test_the_door_refuses_it_likewise_or_leaves_it_to_the_worker(
    damage: Break, file_format: Format, tmp_path: Path
) -> None:
    path = tmp_path / f"t.{file_format}"
    damage(path, file_format)
    message = ""
    try:
        preflight(str(path), labelled=False)
    except InvalidJob as error:
        message = error.message
    assert "\n" not in message
    assert SECRET not in message or damage is text  # a header's names


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """The rights of a user who is not root, to whom permissions mean something."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("file_format", TABLES)
def test_a_file_that_may_not_be_read_is_refused(file_format: Format, tmp_path: Path, as_nobody: None) -> None:
    ours = os.geteuid()
    os.seteuid(os.getuid())
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(0o755)
    path = tmp_path / f"t.{file_format}"
    unreadable(path, file_format)
    os.seteuid(ours)
    for check in (refused, lambda path: preflight(str(path), labelled=False)):
        try:
            message = check(path)
        except InvalidJob as error:
            message = error.message
        assert "may not be read" in message


def test_an_encrypted_npz_is_refused(tmp_path: Path) -> None:
    whole(tmp_path / "t.npz", "npz")
    content = bytearray((tmp_path / "t.npz").read_bytes())
    # The first bit of each member's flags, in its own header and in the archive's directory.
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            content[start + at] |= 1
    (tmp_path / "t.npz").write_bytes(content)
    assert "encrypted" in refused(tmp_path / "t.npz")
    with pytest.raises(InvalidJob, match="encrypted"):
        preflight(str(tmp_path / "t.npz"))


def npz_of(path: Path, member: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", member)
    return path


def test_a_header_of_an_array_that_is_none_is_refused(tmp_path: Path) -> None:
    header = f"{{'descr': '{SECRET}', 'fortran_order': False, 'shape': (3,), }}".ljust(117).encode() + b"\n"
    magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
    refused(npz_of(tmp_path / "t.npz", magic + header))


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data.arrays, "_BOMB_BYTES", 1 << 16)
    member = io.BytesIO()
    np.save(member, np.zeros(1 << 18, np.uint8))
    assert "unpacks from" in refused(npz_of(tmp_path / "t.npz", member.getvalue(), zipfile.ZIP_DEFLATED))


def test_pickled_objects_are_refused_unopened(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.array([{SECRET: 1}], dtype=object), y=np.zeros(1))
    assert "pickled" in refused(tmp_path / "t.npz")
