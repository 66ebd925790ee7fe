"""Rows as apps hold them, in one of two forms: an array, or columns by name."""

from collections.abc import Container, Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidJob
from ..models.data import listed
from ..models.picture_rows import as_objects, holds_pictures
from ..models.tensors import Array, Tensors
from ..models.values import quoted, values_of


class Table(Protocol):
    """What tables of pandas, polars and pyarrow share: rows that can be counted, and columns by name."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: Any, /) -> Any: ...


class Image(Protocol):
    """An image of Pillow."""

    def getexif(self) -> Any: ...

    def convert(self, mode: str, /) -> Any: ...


Rows = ArrayLike | Mapping[str, object] | Sequence[Mapping[str, object]] | Table | Image | Path | Sequence[Image | Path]
"""An array; columns by name; one row by name; a list of rows by name; a table of pandas, polars or pyarrow; a picture,
as the bytes or the `Path` of its file or as Pillow has it, or a list of such."""


def tensors_of(rows: Rows, lists: Container[str] = ()) -> Tensors:
    """Rows as an array whose first axis counts them, or as columns by name.

    A dict of single values is one row. What some dicts of a list lack is missing there. A table whose columns are
    numbered, not named, is an array.

    Args:
        lists: the columns of which the model takes a list for each row: beside single values, one list is one row's.

    Raises:
        InvalidJob: it is a single value, its rows have different shapes, or its columns different lengths.
    """
    if isinstance(rows, np.ndarray):
        return _counted(rows)
    if holds_pictures([rows]):
        return as_objects([rows])
    if isinstance(rows, list | tuple) and holds_pictures(rows):
        return as_objects(rows)
    if isinstance(rows, list | tuple) and rows and hasattr(rows[0], "keys"):
        return _columns(_by_column(rows))
    names = _names(rows)
    if names is None:
        return _array(cast(ArrayLike, rows))
    table = cast(Table, rows)
    if len(set(names)) < len(names):
        raise InvalidJob(f"the table names a column twice: {listed(names)}; give each its own name")
    return _columns({name: table[name] for name in names}, lists)


def _names(rows: object) -> list[str] | None:
    """The names of a table's columns, of a dict's, or of one row of pandas; None if there are none."""
    if hasattr(rows, "keys"):
        names = list(rows.keys())
    elif isinstance(rows, Sized) and hasattr(rows, "__getitem__"):
        # The `columns` of pyarrow are the columns themselves.
        names = list(getattr(rows, "column_names", getattr(rows, "columns", ())))
        if not names:
            return None
    else:
        return None
    named = [name for name in names if isinstance(name, str)]
    if len(named) == len(names):
        return named
    if not named:
        return None
    other = next(name for name in names if not isinstance(name, str))
    raise InvalidJob(f"the rows have the columns {named[0]!r} and {other!r}; give all of them names that are text")


def _by_column(records: Sequence[Any]) -> dict[str, list[object]]:
    names: dict[str, None] = {}
    for row, record in enumerate(records):
        if not hasattr(record, "keys"):
            raise InvalidJob(
                f"row {row} (the first row is 0) is a {type(record).__name__}, but the first one has names: give each "
                "row as a dict"
            )
        own = _names(record)
        if own is None:
            raise InvalidJob(f"row {row} (the first row is 0) has names that are no text; name each value by a text")
        names.update(dict.fromkeys(own))
    return {name: [record.get(name) for record in records] for name in names}


def _columns(columns: Mapping[str, object], lists: Container[str] = ()) -> dict[str, Array]:
    single = [name for name, value in columns.items() if _is_single(value)]
    several = [name for name in columns if name not in single and not (name in lists and _is_flat(columns[name]))]
    if single and several:
        raise InvalidJob(
            f"{single[0]!r} is one value, but {several[0]!r} several: give a list for each column or, for one row, a "
            "list of one dict"
        )
    arrays = {name: _column(name, [value] if single else value) for name, value in columns.items()}
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{rows} in {name!r}" for name, rows in list(lengths.items())[:10])
        raise InvalidJob(
            f"the columns have different numbers of rows: {counts}; give each one value for each row, and one row that "
            "has lists in it as a list of one dict"
        )
    return arrays


def _is_single(value: object) -> bool:
    return isinstance(value, str | bytes) or not isinstance(value, Sized) or getattr(value, "ndim", 1) == 0


def _is_flat(value: object) -> bool:
    """Whether it is a list, or an array, of single values."""
    return isinstance(value, list | tuple | np.ndarray) and all(map(_is_single, value))


def _column(name: str, column: Any) -> Array:
    if hasattr(column, "to_pylist") and column.null_count:
        # As numpy reads it, what is missing in pyarrow's dictionaries becomes the value before it.
        column = column.to_pylist()
    values = values_of(column)
    if values.ndim == 0:
        raise InvalidJob(f"column {name!r} is a {type(column).__name__}; expected a list or an array")
    if values.dtype != object or values.ndim > 1:
        return values
    return values_of([None if _is_na(value) else value for value in values])


def _is_na(value: object) -> bool:
    """Whether it is pandas' NA, which is neither None nor, as NaN is, unequal to itself."""
    return type(value).__name__ == "NAType"


def _array(rows: ArrayLike) -> Array:
    try:
        array = np.asarray(rows)
    except ValueError as error:
        if isinstance(rows, list | tuple) and all(isinstance(row, np.ndarray) and row.ndim in (2, 3) for row in rows):
            return as_objects(rows)  # pictures of several sizes
        raise InvalidJob(f"inputs must be rows of one shape: {error}") from None
    if array.dtype == object and _are_numbers(array.flat):
        try:
            array = array.astype(np.float64)  # which makes NaN of None
        except OverflowError:
            raise InvalidJob("inputs must be numbers that fit into a float64, and one of them is larger") from None
    return _counted(array)


def _are_numbers(values: Iterable[object]) -> bool:
    return all(value is None or isinstance(value, int | float | np.number) for value in values)


def _counted(array: Array) -> Array:
    if array.ndim == 0 and isinstance(text := array.item(), str):
        raise InvalidJob(
            f"inputs must be rows, not the single text {quoted(text)}: give one row as a dict of its columns, or for a "
            f"model of pictures the file as pathlib.Path({quoted(text)})"
        )
    if array.ndim == 0:
        raise InvalidJob(f"inputs must be rows, shape (rows, …), not the single value {array!r}")
    return array
