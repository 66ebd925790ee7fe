"""Columns of .tfrecord files of tf.train.Example, as a stream."""

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import tensorflow as tf
from google.protobuf.message import DecodeError

from stoker.errors import InvalidJob
from stoker.models.data import Partition, open_file, reading

from .copies import BLOCK_BYTES, write_copy
from .features import columns_of, gap_notes, survey
from .keys import Keys
from .source import ColumnType, Values, file_bytes, rebatched

_GZIP = b"\x1f\x8b"
# The frame of each record: its length, the length's checksum, and the record's own.
# https://www.tensorflow.org/tutorials/load_data/tfrecord
_FRAME_BYTES = 8 + 4 + 4
_CUT = "is malformed: it is not a TFRecord file, or one that is cut off or damaged; write it again"


class RecordStream:
    """A source whose columns are the features of its records, all of which are looked at first.

    A feature of one value is a plain column, with gaps where records have none; one of k values has rows of shape (k,),
    and one of varying length is lists. The keys of the files' folders are columns, too.

    Args:
        partitions: of each file; empty where there are none.
        types: of columns whose type is known.
    """

    in_memory = False

    def __init__(self, urls: Sequence[str], partitions: Sequence[Partition], types: Mapping[str, ColumnType]) -> None:
        self._paths = [_local(url) for url in urls]
        with reading(urls[0], _damage):
            self.rows, self._features = survey(self._records(), urls[0])
        if not self.rows:
            raise InvalidJob(f"{urls[0]} holds no records")
        if not self._features:
            raise InvalidJob(f"the records of {urls[0]} have no features with values; give every record the same ones")
        self._keys = Keys(partitions, [feature.name for feature in self._features], types)
        self.columns = (*columns_of(self._features), *self._keys.columns)
        self.notes = tuple(gap_notes(self._features, self.rows))
        features = {feature.name: feature.parser() for feature in self._features}

        def parse(records: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            """The size of some records in their file in bytes, and their features."""
            lengths = tf.cast(tf.strings.length(records), tf.int64) + _FRAME_BYTES
            return tf.reduce_sum(lengths), tf.io.parse_example(records, features)

        # Traced once, not for every file on every pass.
        self._parse = tf.function(parse, input_signature=[tf.TensorSpec([None], tf.string)])

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        return rebatched(self._pieces(rows), rows)

    def _pieces(self, rows: int) -> Iterator[dict[str, Values]]:
        for number, path in enumerate(self._paths):
            unread = file_bytes(path)
            with reading(path, _damage):
                for records in tf.data.TFRecordDataset(path).batch(rows).prefetch(1):
                    size, features = self._parse(records)
                    unread -= int(size)
                    values = {feature.name: feature.values(features[feature.name]) for feature in self._features}
                    yield values | self._keys.values(number, len(records))
            # TensorFlow takes a length that is cut off for the end of the file.
            if unread:
                raise InvalidJob(f"{path} {_CUT}")

    def _records(self) -> Iterator[bytes]:
        for path in self._paths:
            unread = file_bytes(path)
            for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
                unread -= len(record) + _FRAME_BYTES
                yield bytes(record)
            if unread:
                raise InvalidJob(f"{path} {_CUT}")


def _damage(error: Exception) -> str | None:
    match error:
        case tf.errors.DataLossError() | EOFError() | gzip.BadGzipFile() | zlib.error():
            return _CUT
        case DecodeError():
            return "holds records that are no tf.train.Example; write them as such"
        case tf.errors.InvalidArgumentError():
            return "is malformed: its records have changed while it was read; read it again"
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
