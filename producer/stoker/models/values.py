"""Values of a column as apps and files hold them: as arrays, as numbers, as texts; and words for what is wrong."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidJob
from .picture_rows import as_objects, holds_pictures
from .tensors import Array

Numbering = Sequence[int] | NDArray[np.intp]
"""The number by which messages name each row."""
FROM_0: Numbering = range(sys.maxsize)
FLOAT32_MOST = float(np.finfo(np.float32).max)
"""The largest number that a model can take."""


def values_of(column: object) -> Array:
    """An array-like as an array: of its own type, or of objects if it holds texts, gaps or lists of several lengths."""
    if isinstance(column, np.ndarray):
        return column.astype(object) if column.dtype.kind == "U" else column
    if isinstance(column, list | tuple) and holds_pictures(column):
        return as_objects(column)
    try:
        array: Array = np.asarray(column)
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype="U1")
    if array.dtype.kind not in "US":
        # Of no rows, any type will do: an empty list does not say that it holds numbers.
        is_empty = array.shape == (0,) and not hasattr(column, "dtype")
        return array.astype(object) if is_empty else array
    # numpy would make text of numbers beside it.
    return as_objects(list(cast(Sequence[object], column)))


def numbers(
    values: object, name: str, *, gaps: bool = False, numbering: Numbering = FROM_0, most: float = sys.float_info.max
) -> NDArray[np.float64]:
    """A column as float64, with NaN for missing values.

    Raises:
        InvalidJob: it does not hold numbers, one is infinite or beyond ±`most`, or one is missing that may not be.
    """
    array = values_of(values)
    if array.dtype == object:
        array = _mixed_numbers(array, name, numbering)
    if array.dtype.kind not in "biuf":
        raise InvalidJob(f"column {name!r} holds {kind_of(array)}; expected numbers")
    converted = array.astype(np.float64)
    # Of NaN neither holds.
    wrong = np.abs(converted) > most if gaps else ~(np.abs(converted) <= most)
    if wrong.any():
        refuse_number(array, wrong, name, numbering)
    return converted


def texts(values: object, name: str, numbering: Numbering = FROM_0) -> Array:
    """A column of text without missing values, as an object array of str.

    Raises:
        InvalidJob: it does not hold text, or one is missing.
    """
    array = values_of(values)
    if array.dtype != object:
        raise InvalidJob(f"column {name!r} holds {kind_of(array)}; expected text")
    for row, value in enumerate(array.ravel()):
        if not isinstance(value, str):
            raise InvalidJob(
                f"column {name!r} holds {value!r} in row {numbering[row]} (the first row is 0); expected text: "
                "fill or drop such rows"
            )
    return array


def refuse_number(values: Array, wrong: NDArray[np.bool_], name: str, numbering: Numbering, expected: str = "") -> None:
    """Refuse the first of a column's wrong numbers.

    Raises:
        InvalidJob: always.
    """
    row = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
    value = values[row][wrong[row]][0] if values.ndim > 1 else values[row]
    if not expected:
        is_large = value is not None and np.isfinite(value)
        expected = f"at most {FLOAT32_MOST:.2g}, as float32 holds" if is_large else "a finite number"
    raise InvalidJob(
        f"column {name!r} holds {value} in row {numbering[row]} (the first row is 0); expected {expected}: "
        "fill or drop such rows"
    )


def kind_of(values: Array) -> str:
    """What a column holds, in a word."""
    return "text" if values.dtype.kind in "OU" else values.dtype.name


def quoted(value: Any) -> str:
    """A value for a message, cut where it is long."""
    shown = repr(value)
    return shown if len(shown) <= 42 else f"{shown[:40]}…"


def _mixed_numbers(array: Array, name: str, numbering: Numbering) -> NDArray[np.float64]:
    """Python numbers with None for missing ones."""
    converted = np.empty(array.shape, dtype=np.float64)
    for at, value in enumerate(array.flat):
        if value is not None and not isinstance(value, int | float | Decimal | np.number | np.bool_):
            if all(isinstance(each, str) for each in array.flat if each is not None):
                raise InvalidJob(f"column {name!r} holds text; expected numbers, not {quoted(value)}: convert it")
            row = numbering[at // max(array[0:1].size, 1)]
            raise InvalidJob(
                f"column {name!r} holds {quoted(value)} in row {row} (the first row is 0); expected a number"
            )
        converted.flat[at] = np.nan if value is None else value
    return converted
