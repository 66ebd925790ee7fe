"""Columns of .tfrecord files of tf.train.Example, as a stream."""

import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it ships no types

from stoker.errors import InvalidJob
from stoker.models.data import open_file, reading

from .copies import BLOCK_BYTES, write_copy
from .source import Arrays, Column, Values, file_bytes, rebatched

_DTYPES = {
    "bytes_list": ("string", tf.string),
    "float_list": ("float32", tf.float32),
    "int64_list": ("int64", tf.int64),
}


_LOAD_ROWS = 8_192
_GZIP = b"\x1f\x8b"
# The frame of each record: its length, the length's checksum, and the record's own.
# https://www.tensorflow.org/tutorials/load_data/tfrecord
_FRAME_BYTES = 8 + 4 + 4
_CUT = "is malformed: it is not a TFRecord file, or one that is cut off or damaged; write it again"


def load_records(urls: Sequence[str]) -> Arrays:
    """All rows of all files, in memory.

    Raises:
        InvalidJob: a file is malformed, or a record has other features than the first.
    """
    batches = list(RecordStream(urls).batches(_LOAD_ROWS))
    return Arrays({name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}, urls[0])


class RecordStream:
    """A source whose columns are those of its first record; every other record must have the same features.

    A feature of one value is a plain column; one of k values has rows of shape (k,).
    """

    in_memory = False
    rows = None
    notes = ()

    def __init__(self, urls: Sequence[str]) -> None:
        self._paths = [_local(url) for url in urls]
        self.columns = tuple(_columns(self._first(), urls[0]))
        if not self.columns:
            raise InvalidJob(f"the first record of {urls[0]} has no features; give every record the same ones")
        features = {column.name: tf.io.FixedLenFeature(column.shape, _tf_dtype(column)) for column in self.columns}

        def parse(records: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            """The size of some records in their file in bytes, and their features."""
            lengths = tf.cast(tf.strings.length(records), tf.int64) + _FRAME_BYTES
            return tf.reduce_sum(lengths), tf.io.parse_example(records, features)

        # Traced once, not for every file on every pass.
        self._parse = tf.function(parse, input_signature=[tf.TensorSpec([None], tf.string)])

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        return rebatched(self._pieces(rows), rows)

    def _pieces(self, rows: int) -> Iterator[dict[str, Values]]:
        for path in self._paths:
            unread = file_bytes(path)
            with reading(path, _damage):
                for records in tf.data.TFRecordDataset(path).batch(rows).prefetch(1):
                    size, features = self._parse(records)
                    unread -= int(size)
                    yield {name: _decoded(values.numpy()) for name, values in features.items()}
            # TensorFlow takes a length that is cut off for the end of the file.
            if unread:
                raise InvalidJob(f"{path} {_CUT}")

    def _first(self) -> bytes:
        for path in self._paths:
            with reading(path, _damage):
                for record in tf.data.TFRecordDataset(path).take(1).as_numpy_iterator():
                    return bytes(record)
            if file_bytes(path):
                raise InvalidJob(f"{path} {_CUT}")
        raise InvalidJob(f"{self._paths[0]} holds no records")


def _damage(error: Exception) -> str | None:
    match error:
        case tf.errors.DataLossError() | EOFError() | gzip.BadGzipFile() | zlib.error():
            return _CUT
        case tf.errors.InvalidArgumentError():
            return "is malformed: a record is no tf.train.Example with the features of the first; correct the file"
        case UnicodeDecodeError():
            return "is malformed: its text is not UTF-8; correct the file"
    return None


def _local(url: str) -> str:
    """The file's local path; a remote or compressed file is copied first, once per process, and decompressed.

    TensorFlow reads no fsspec URLs, and takes a compressed file that is cut off for a whole one.
    """
    with open_file(url) as file:
        is_compressed = file.read(2) == _GZIP
    if "://" not in url and not is_compressed:
        return url
    target = _copies() / f"{sha256(url.encode()).hexdigest()}.tfrecord"
    if target.exists():
        return str(target)
    expected = math.inf if is_compressed else file_bytes(url)
    with open_file(url, _damage) as file, gzip.open(file) if is_compressed else nullcontext(file) as plain:
        write_copy(target, iter(lambda: plain.read(BLOCK_BYTES), b""), url, None if math.isinf(expected) else expected)
    return str(target)


@cache
def _copies() -> Path:
    """This process's folder for copies."""
    return Path(mkdtemp())


def _columns(record: bytes, url: str) -> Iterator[Column]:
    try:
        example = tf.train.Example.FromString(record)
    except DecodeError:
        raise InvalidJob(f"{url} holds records that are no tf.train.Example; write them as such") from None
    for name, feature in sorted(example.features.feature.items()):
        kind = feature.WhichOneof("kind")
        size = len(getattr(feature, kind).value) if kind else 0
        if not size:
            raise InvalidJob(f"feature {name!r} of the first record of {url} is empty; give every record a value")
        yield Column(name, _DTYPES[kind][0], () if size == 1 else (size,))


def _tf_dtype(column: Column) -> tf.DType:
    return next(dtype for name, dtype in _DTYPES.values() if name == column.dtype)


def _decoded(values: Values) -> Values:
    """Decodes bytes to str; leaves other values as they are."""
    if values.dtype != object:
        return values
    texts = [value.decode("utf-8") for value in values.ravel()]
    return np.array(texts, dtype=object).reshape(values.shape)
