"""Columns of .tfrecord files of tf.train.Example, as a stream."""

from collections.abc import Iterator, Sequence

import fsspec
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it ships no types

from stoker.data import reading
from stoker.errors import InvalidJob

from .source import Arrays, Column, Values

_DTYPES = {
    "bytes_list": ("string", tf.string),
    "float_list": ("float32", tf.float32),
    "int64_list": ("int64", tf.int64),
}


_LOAD_ROWS = 8_192


def load_records(urls: Sequence[str]) -> Arrays:
    """All rows of all files, in memory.

    Raises:
        InvalidJob: a file is malformed, or a record has other features than the first.
    """
    batches = list(RecordStream(urls).batches(_LOAD_ROWS))
    return Arrays({name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}, urls[0])


class RecordStream:
    """A source whose columns are read off the first record; every other record must have the same features.

    A feature with one value is a plain column, one with k values has rows of shape (k,).
    """

    in_memory = False
    rows = None

    def __init__(self, urls: Sequence[str]) -> None:
        self._paths = [_local(url) for url in urls]
        self.columns = tuple(_columns(self._first(), urls[0]))
        if not self.columns:
            raise InvalidJob(f"the first record of {urls[0]} has no features; give every record the same ones")
        self._features = {
            column.name: tf.io.FixedLenFeature(column.shape, _tf_dtype(column)) for column in self.columns
        }

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        records = tf.data.TFRecordDataset(self._paths).batch(rows)
        parsed = records.map(lambda batch: tf.io.parse_example(batch, self._features)).prefetch(1)
        try:
            for batch in parsed.as_numpy_iterator():
                yield {name: _decoded(values) for name, values in batch.items()}
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError, UnicodeDecodeError) as error:
            # Without its cause, which quotes what the file holds.
            reason = "its features are not those of the first"
            if isinstance(error, UnicodeDecodeError):
                reason = "its text is not UTF-8"
            elif isinstance(error, tf.errors.DataLossError):
                reason = "it is cut off or damaged"
            raise InvalidJob(f"a record of {self._paths[0]} (and its shards) cannot be parsed: {reason}") from None

    def _first(self) -> bytes:
        try:
            for record in tf.data.TFRecordDataset(self._paths).take(1).as_numpy_iterator():
                return bytes(record)
        except tf.errors.DataLossError:
            raise InvalidJob(f"{self._paths[0]} is not a TFRecord file, or a damaged one") from None
        raise InvalidJob(f"{self._paths[0]} holds no records")


def _local(url: str) -> str:
    """A local path of the file; TensorFlow reads no fsspec URLs, so a remote file is copied first."""
    if "://" not in url:
        return url
    with reading(url):
        return str(fsspec.open_local(f"simplecache::{url}"))


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
    """Bytes as str."""
    if values.dtype != object:
        return values
    texts = [value.decode("utf-8") for value in values.ravel()]
    return np.array(texts, dtype=object).reshape(values.shape)
