"""The features of tf.train.Example records: found by looking at all of them, and read as columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import tensorflow as tf

from stoker.errors import InvalidJob

from .source import Column, Values

PICTURE = "picture"
"""The type of a column of encoded pictures."""
_DTYPES = {"bytes_list": tf.string, "float_list": tf.float32, "int64_list": tf.int64}
_NAMES = {"bytes_list": "string", "float_list": "float32", "int64_list": "int64"}
# How files of pictures begin: JPEG, PNG, GIF, WebP.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"RIFF")


@dataclass
class Feature:
    """One feature of all records.

    Attributes:
        kind: of its values, as protobuf calls it; None as long as none has any.
        least, most: how many values a record has.
        records: how many records have values.
        is_picture: whether the first value is an encoded picture.
    """

    name: str
    kind: str | None = None
    least: int = 0
    most: int = 0
    records: int = 0
    is_picture: bool = False

    @property
    def is_ragged(self) -> bool:
        """Whether records have different numbers of values."""
        return self.least != self.most

    @property
    def column(self) -> Column:
        """The column that it becomes: one value, with gaps if it has some; as many in each record; or lists."""
        assert self.kind is not None
        name = _NAMES[self.kind]
        if self.most == 1:
            if self.is_picture:
                return Column(self.name, PICTURE)
            return Column(self.name, "float64" if self.is_ragged and name != "string" else name)
        return Column(self.name, "list") if self.is_ragged else Column(self.name, name, (self.most,))

    def parser(self) -> tf.io.FixedLenFeature | tf.io.RaggedFeature:
        """How TensorFlow reads it."""
        assert self.kind is not None
        if self.is_ragged:
            return tf.io.RaggedFeature(_DTYPES[self.kind], row_splits_dtype=tf.int64)
        return tf.io.FixedLenFeature(() if self.most == 1 else (self.most,), _DTYPES[self.kind])

    def values(self, parsed: tf.Tensor | tf.RaggedTensor) -> Values:
        """The rows of the column."""
        if not self.is_ragged:
            flat = parsed.numpy()
            return flat if self.is_picture else _decoded(flat)
        flat, ends = parsed.values.numpy(), parsed.row_splits.numpy()
        if not self.is_picture:
            flat = _decoded(flat)
        if self.most == 1:
            return _with_gaps(flat, np.diff(ends))
        rows = np.empty(len(ends) - 1, dtype=object)
        for row, (start, stop) in enumerate(pairwise(ends)):
            rows[row] = flat[start:stop].tolist() if flat.dtype == object else flat[start:stop]
        return rows


def survey(records: Iterable[bytes], url: str) -> tuple[int, tuple[Feature, ...]]:
    """The number of records, and the features that any of them has, by name.

    Raises:
        DecodeError: a record is no Example.
        InvalidJob: a feature has values of several kinds.
    """
    features: dict[str, Feature] = {}
    count = 0
    for record in records:
        example = tf.train.Example.FromString(record)
        given = {name: feature for name, feature in example.features.feature.items() if feature.WhichOneof("kind")}
        for name in features.keys() - given.keys():
            features[name].least = 0
        for name, feature in given.items():
            known = features.setdefault(name, Feature(name, least=0 if count else -1))
            _count(known, feature, url)
        count += 1
    return count, tuple(features[name] for name in sorted(features) if features[name].records)


def columns_of(features: Sequence[Feature]) -> tuple[Column, ...]:
    """The columns that features become; what is beside a picture, as image/height beside image/encoded, is about it."""
    pictures = {feature.name.rpartition("/")[0] for feature in features if feature.column.dtype == PICTURE} - {""}
    return tuple(
        replace(feature.column, role="about")
        if feature.name.partition("/")[0] in pictures and feature.column.dtype != PICTURE
        else feature.column
        for feature in features
    )


def gap_notes(features: Iterable[Feature], count: int) -> Iterator[str]:
    """What is said of features that some records lack."""
    for feature in features:
        if feature.records < count:
            yield f"{feature.name}: {count - feature.records:,} of {count:,} records have no value"


def _count(known: Feature, feature: tf.train.Feature, url: str) -> None:
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value
    size = len(values)
    if known.kind not in (None, kind):
        raise InvalidJob(
            f"{url} is malformed: feature {known.name!r} is a {known.kind} in some records and a {kind} in others; "
            "write it as one of them"
        )
    known.kind = kind
    if size and not known.records:
        known.is_picture = kind == "bytes_list" and size == 1 and values[0].startswith(_BEGINNINGS)
    known.least = size if known.least < 0 else min(known.least, size)
    known.most = max(known.most, size)
    known.records += size > 0


def _with_gaps(flat: Values, lengths: Values) -> Values:
    there = lengths > 0
    if flat.dtype == object:
        rows: Values = np.full(len(there), None, dtype=object)
    else:
        rows = np.full(len(there), np.nan)
    rows[there] = flat
    return rows


def _decoded(values: Values) -> Values:
    """Decodes bytes to str; leaves other values as they are."""
    if values.dtype != object:
        return values
    texts = [value.decode("utf-8") for value in values.ravel()]
    return np.array(texts, dtype=object).reshape(values.shape)
