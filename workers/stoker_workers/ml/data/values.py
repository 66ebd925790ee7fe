"""From the cells of a column of text to values of its type."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stoker.models.data import BOOLEAN_WORDS

from .dates import times_of
from .evidence import Markers
from .numerals import numbers_of
from .plans import Plan
from .source import Mask, Values

_TRUE, _FALSE = map(pa.array, zip(*BOOLEAN_WORDS, strict=True))


def values_of(chosen: Plan, cells: pa.StringArray, markers: Markers) -> Values:
    """Stripped cells as values.

    Raises:
        Misfit: a cell is not of the type.
    """
    if chosen.dtype == "string":
        return texts_of(cells.dictionary_encode(), markers)
    missing = markers.missing(cells) | np.asarray(pc.is_in(cells, markers.in_numbers))
    present = pc.if_else(pa.array(missing), None, cells) if missing.any() else cells
    match chosen.dtype:
        case "time":
            values: Values = times_of(present, chosen.pattern)
            _require(~np.isnat(values) | missing, f"no time written as {chosen.pattern}")
            return values
        case "bool":
            return _booleans(present, missing, has_gaps=chosen.gaps > 0)
        case _:
            return _numbers_of(chosen, present)


def texts_of(cells: pa.DictionaryArray, markers: Markers) -> Values:
    """Stripped cells as texts; equal ones are one object, so that a category takes a pointer a row."""
    words: Values = np.array(cells.dictionary.to_numpy(zero_copy_only=False), dtype=object)
    words[markers.missing(cells.dictionary)] = None
    texts: Values = words[cells.indices.to_numpy()]
    return texts


def _numbers_of(chosen: Plan, cells: pa.StringArray) -> Values:
    is_whole = chosen.dtype == "int64"
    if chosen.decimal == ".":
        try:
            plain: Values = cells.cast(pa.int64() if is_whole else pa.float64()).to_numpy(zero_copy_only=False)
            return plain
        except pa.ArrowInvalid:
            pass
    values: Values = numbers_of(cells, chosen.decimal, is_whole=is_whole).to_numpy(zero_copy_only=False)
    return values


def _booleans(cells: pa.StringArray, missing: Mask, *, has_gaps: bool) -> Values:
    lower = pc.utf8_lower(cells)
    true, false = np.asarray(pc.is_in(lower, _TRUE)), np.asarray(pc.is_in(lower, _FALSE))
    _require(true | false | missing, "neither true nor false")
    return np.where(missing, np.nan, true) if has_gaps else true


def _require(fits: Mask, what: str) -> None:
    if not fits.all():
        raise Misfit(int(np.argmin(fits)), what)


class Misfit(Exception):
    """A cell is not of its column's type; `row` is its place among those that were given."""

    def __init__(self, row: int, what: str, fix: str = "correct it") -> None:
        super().__init__(what)
        self.row = row
        self.what = what
        self.fix = fix
