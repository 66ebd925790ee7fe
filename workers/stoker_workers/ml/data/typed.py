"""A column whose cells have a type already, as in Arrow and Parquet."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stoker.errors import InvalidJob
from stoker.models.data import ColumnKind

from .evidence import EXACT, Evidence, Markers
from .plans import Plan, Rules, Where, plan, too_long
from .source import Column, ColumnType, Values
from .values import Misfit, texts_of, values_of

_FITS: dict[ColumnType, tuple[str, ...]] = {
    "number": ("number", "bool"),
    "string": ("string",),
    "time": ("time", "number"),  # such as 20240131
    "bool": ("bool",),
}
"""What is read as each type as it is."""
_THROUGH_TEXT: dict[ColumnType, tuple[str, ...]] = {
    "number": ("string",),
    "string": ("number", "bool"),
    "time": ("string",),
    "bool": ("string", "number"),
}
"""What is read as each type through its text."""


class TypedColumn:
    """A column of Arrow arrays: they are looked at, then its type is decided, then they are read.

    Args:
        kind: the Arrow type that all files' arrays are cast to.
        wanted: its type, if that is known.
        chosen: its kind, by the user.

    Attributes:
        column: what it is, once decided.
        note: what is to be said of that; "" for nothing.
        gaps, gap_markers: how many cells are missing, and how those of text are written.

    Raises:
        InvalidJob: it is not what is wanted, and cannot be read as such.
    """

    def __init__(
        self,
        name: str,
        kind: pa.DataType,
        wanted: ColumnType | None,
        markers: Markers,
        chosen: ColumnKind | None = None,
    ) -> None:
        self.name = name
        self.note = ""
        self.gaps = 0
        self._kind = kind
        self._nature = _nature(kind)
        self._markers = markers
        self._missing: Counter[str] = Counter()
        self._plan: Plan | None = None
        through_text = wanted is not None and self._nature in _THROUGH_TEXT[wanted]
        if wanted is not None and not through_text and self._nature not in _FITS[wanted]:
            raise InvalidJob(f"column {name!r} holds {kind}, but the model takes it as a {wanted}; convert it")
        self._evidence = Evidence(name, markers) if through_text else None
        self._wanted = wanted
        self._may_be_text = wanted is None and chosen != "number" and _is_whole(kind)
        self._beyond: object = None

    @property
    def gap_markers(self) -> list[str]:
        return [marker for marker, _ in self._missing.most_common()]

    def look_at(self, array: pa.Array, url: str, first_row: int) -> None:
        """Count what is missing."""
        if self._evidence:
            cells = self._texts(array).dictionary_decode()
            self._evidence.add(cells, self._markers.missing(cells), url, first_row)
        elif self._nature == "string":
            self._count_missing(self._texts(array))
        else:
            self.gaps += array.null_count
            if self._may_be_text and self._beyond is None:
                edges = pc.min_max(_plain(array)).as_py().values()
                self._beyond = next((edge for edge in edges if edge is not None and abs(edge) > EXACT), None)

    def decide(self, where: Where) -> None:
        """Choose the type, once everything was looked at."""
        if self._evidence:
            self._plan = plan(self._evidence, self._wanted, Rules(where))
            self._missing = self._evidence.missing + self._evidence.weak
            self.gaps = self._plan.gaps
        if self._beyond is not None and (self.gaps or pa.types.is_decimal(self._kind)):
            self._nature, self.note = "string", too_long(self.name, self._beyond)
        self.column = Column(self.name, self._dtype(), self._shape())

    def values(self, array: pa.Array) -> Values:
        """Cells as values.

        Raises:
            Misfit: a vector is missing, or text is not of the wanted type.
        """
        if self._plan:
            return values_of(self._plan, self._texts(array).dictionary_decode(), self._markers)
        if self._nature == "string":
            return texts_of(self._texts(array), self._markers)
        array = _plain(array).cast(_plain_type(self._kind))
        match self._nature:
            case "vector":
                if array.null_count:
                    raise Misfit(int(np.argmin(array.is_valid())), "a vector is missing", "fill or drop such rows")
                flat: Values = array.flatten().to_numpy(zero_copy_only=False)
                return flat.reshape(-1, self._kind.list_size)
            case "time":
                times: Values = array.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
                return times.astype("datetime64[us]", copy=False)
            case "list":
                return _lists(array)
            case "bool" if self.gaps:
                array = array.cast(pa.int8())
        values: Values = array.to_numpy(zero_copy_only=False)
        has_gaps = self.gaps and self._nature in ("number", "bool")
        return values.astype(np.float64, copy=False) if has_gaps else values

    def _texts(self, array: pa.Array) -> pa.DictionaryArray:
        """An array as stripped text; "" where it is null. Each distinct cell is looked at once."""
        array = _plain(array)
        if pa.types.is_boolean(array.type):
            array = pc.if_else(array, "true", "false")
        coded = array.cast(pa.string()).dictionary_encode("encode")
        stripped = pc.fill_null(pc.ascii_trim_whitespace(coded.dictionary), "")
        return pa.DictionaryArray.from_arrays(coded.indices, stripped)

    def _count_missing(self, texts: pa.DictionaryArray) -> None:
        missing = self._markers.missing(texts.dictionary)
        if missing.any():
            counts = np.bincount(texts.indices, minlength=len(missing))[missing]
            for marker, count in zip(texts.dictionary.filter(pa.array(missing)).to_pylist(), counts, strict=True):
                self._missing[marker] += int(count)
            self.gaps += int(counts.sum())

    def _dtype(self) -> str:
        if self._plan:
            return self._plan.dtype_of_column
        match self._nature:
            case "number" | "bool" if self.gaps or pa.types.is_decimal(self._kind) or pa.types.is_null(self._kind):
                return "float64"
            case "number" | "bool":
                return str(np.dtype(_plain_type(self._kind).to_pandas_dtype()))
            case "vector":
                return str(np.dtype(self._kind.value_type.to_pandas_dtype()))
            case "string" | "time" | "list":
                return self._nature
        return str(self._kind)

    def _shape(self) -> tuple[int, ...]:
        return (self._kind.list_size,) if self._nature == "vector" else ()


def _nature(kind: pa.DataType) -> str:
    """What a column of a type is to a model; "other" if it is nothing that can be learned from."""
    types = pa.types
    if types.is_dictionary(kind):
        return _nature(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "string"
    if types.is_boolean(kind):
        return "bool"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        return "number"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "time"
    if types.is_fixed_size_list(kind) and _nature(kind.value_type) == "number":
        return "vector"
    is_list = types.is_list(kind) or types.is_large_list(kind)
    return "list" if is_list and _nature(kind.value_type) in ("number", "string") else "other"


def _is_whole(kind: pa.DataType) -> bool:
    """Whether a type is of whole numbers, also one that is read as float64 for want of a better one."""
    if pa.types.is_dictionary(kind):
        return _is_whole(kind.value_type)
    return bool(pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of plain values to cast to: dictionaries are decoded, decimals and nulls are floats."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    return pa.float64() if pa.types.is_decimal(kind) or pa.types.is_null(kind) else kind


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _lists(array: pa.Array) -> Values:
    """Lists of numbers as arrays, and lists of text as lists; a missing list is None."""
    lists = np.empty(len(array), dtype=object)
    is_text = _nature(array.type.value_type) == "string"
    for row, value in enumerate(array):
        if value.is_valid:
            lists[row] = value.as_py() if is_text else value.values.to_numpy(zero_copy_only=False)
    return lists
