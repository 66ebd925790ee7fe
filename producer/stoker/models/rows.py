"""From columns of data to a model's input tensors: what clients do before they send, and workers with files."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np

from ..errors import InvalidJob
from .columns import ColumnKind, boolean_of, choices, time_of
from .lists import joined_tags, require_lists
from .picture_rows import encode_pictures, takes_pictures
from .signature import TensorSpec
from .tensors import Array
from .values import FROM_0, Numbering, kind_of, numbers, quoted, refuse_number, texts, values_of

MISSING_CATEGORY = "\ue001"
"""What stands for a missing category in a tensor: a character that no text is meant to hold."""
# A whole number as a table tool writes a column with gaps.
_WHOLE = re.compile(r"-?[1-9]\d*\.0+|0\.0+")
_LARGEST_ID = np.iinfo(np.int32).max
MISSING_TIME = np.iinfo(np.int64).min
"""What stands for a missing time, as in numpy's NaT."""


def encode(
    inputs: Sequence[TensorSpec], columns: Mapping[str, object], numbering: Numbering = FROM_0
) -> dict[str, Array]:
    """The tensors of some rows, by name.

    Args:
        inputs: what the model takes.
        columns: values of equally many rows by column; others than the model's are ignored. None and NaN are missing.
        numbering: the number of each row, for messages.

    Raises:
        InvalidJob: a column is missing, has rows of another shape, or holds what it cannot.
    """
    return {spec.name: _tensor(spec, columns, numbering) for spec in inputs}


def category(value: Any) -> str:
    """The one spelling of a category that files, numbers and booleans share; `MISSING_CATEGORY` for a missing one.

    Whole numbers lose their decimals, because gaps make a column of integers one of floats.
    """
    match value:
        case None:
            return MISSING_CATEGORY
        case str():
            text = value.strip()
            lower = text.lower()
            if _WHOLE.fullmatch(text):
                return text.partition(".")[0]
            return (lower if lower in ("true", "false") else text) or MISSING_CATEGORY
        case bool() | np.bool_():
            return "true" if value else "false"
        case float() | np.floating():
            number = float(value)
            if number != number:
                return MISSING_CATEGORY
            return str(int(number)) if number.is_integer() else repr(number)
        case int() | np.integer():
            return str(int(value))
    raise TypeError(type(value).__name__)


def _tensor(spec: TensorSpec, columns: Mapping[str, object], numbering: Numbering) -> Array:
    kind = spec.kind or ("number" if spec.columns else None)
    if kind in _SHARED:
        parts = [_SHARED[kind](spec, _scalar(_column(name, columns), name), name, numbering) for name in spec.columns]
        return np.stack(parts, axis=1)
    name = spec.columns[0] if spec.columns else spec.name
    if spec.shape and not spec.kind and not spec.columns and name not in columns:
        renamed = f"inputs={{{spec.own_name!r}: 'x'}}"
        raise InvalidJob(
            f"{_lacking(name, columns)}: the model takes an array of that name and no columns; import a model that was "
            f"made elsewhere with inputs=['age', …] for the columns of tables, or {renamed} for an array x"
        )
    return _SINGLE.get(kind, _array)(spec, values_of(_column(name, columns)), name, numbering)


def _array(spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    """The data's own numbers or texts."""
    if spec.dtype == "string":
        return texts(values, name, numbering)
    if not _has_shape(spec, values):
        raise InvalidJob(f"column {name!r} has rows of shape {values.shape[1:]}; the model takes {spec.shape}")
    return _numbers(spec, values, name, numbering)


def _has_shape(spec: TensorSpec, values: Array) -> bool:
    return len(values.shape) == len(spec.shape) + 1 and all(
        size in (None, had) for size, had in zip(spec.shape, values.shape[1:], strict=True)
    )


def _are_lists(spec: TensorSpec, values: Array) -> bool:
    """Whether rows are to be filled up or cut; lists that are equally long, as one alone is, come as an array."""
    return values.ndim == 1 or (values.ndim == 2 and len(spec.shape) == 1 and not _has_shape(spec, values))


def _numbers(spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    """Numbers in the tensor's own type; floating ones that have it, and lie as it does, are not copied."""
    own = values.dtype
    if own.kind == "f" and own.name == spec.dtype and own.isnative and values.flags.c_contiguous:
        # To float64 and back would take longer than a small network computes.
        if (wrong := np.isinf(values) if spec.gaps else ~np.isfinite(values)).any():
            refuse_number(values, wrong, name, numbering)
        return values
    exact = numbers(values, name, gaps=spec.gaps, numbering=numbering)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused
        cast: Array = exact.astype(np.float32 if spec.dtype == "bfloat16" else spec.dtype)
    if cast.dtype.kind == "f" and (wrong := np.isinf(cast)).any():
        refuse_number(values, wrong, name, numbering)
    if cast.dtype.kind in "iu":
        if (wrong := cast != exact).any():
            refuse_number(values, wrong, name, numbering, expected=f"a whole number that fits into {spec.dtype}")
        low, high = spec.limits.get(name, (-np.inf, np.inf))
        if (wrong := (cast < low) | (cast > high)).any():
            refuse_number(values, wrong, name, numbering, expected=f"what the model takes: from {low:g} to {high:g}")
    return cast


def _booleans(spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    """1, 0, or NaN for a missing one; words for yes and no are understood."""
    if values.dtype.kind not in "OU":
        return _numbers(spec, values, name, numbering)
    encoded = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if _is_missing(value):
            continue
        known = boolean_of(value) if isinstance(value, str) else value
        if known is None:
            raise InvalidJob(
                f"column {name!r} holds {quoted(value)} in row {numbering[row]} (the first row is 0); expected "
                "yes or no: words such as true, no, on, 0"
            )
        encoded[row] = float(known)
    return encoded.astype(spec.dtype)


def _categories(_spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    if values.dtype.kind not in "OU":
        distinct, inverse = np.unique(values, return_inverse=True)
        return np.array([category(value) for value in distinct], dtype=object)[inverse]
    tensor = np.empty(len(values), dtype=object)
    rows = values.tolist()
    if set(map(type, rows)) <= {str, type(None)}:
        spelt = {value: category(value) for value in set(rows)}
        tensor[:] = [spelt[value] for value in rows]
        return tensor
    for row, value in enumerate(rows):
        try:
            tensor[row] = category(value)
        except TypeError as error:
            raise InvalidJob(
                f"column {name!r} holds a {error} in row {numbering[row]} (the first row is 0); expected a category: "
                "text, a whole number or a boolean"
            ) from None
    return tensor


def _free_texts(_spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    if values.dtype.kind not in "OU":
        raise InvalidJob(f"column {name!r} holds {kind_of(values)}; expected text")
    filled = ["" if _is_missing(value) else value for value in values.tolist()]
    return texts(np.array(filled, dtype=object), name, numbering)


def _times(_spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    """Microseconds since 1970, UTC."""
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]").astype(np.int64)
    if values.dtype.kind not in "OUiuf":
        raise InvalidJob(f"column {name!r} holds {kind_of(values)}; expected times such as 2026-01-31T12:00:00")
    return np.array([_time(value, name, numbering[row]) for row, value in enumerate(values)], dtype=np.int64)


def _time(value: Any, name: str, row: int) -> int:
    if _is_missing(value):
        return MISSING_TIME
    moment = _moment(value)
    if moment is None:
        raise InvalidJob(
            f"column {name!r} holds {quoted(value)} in row {row} (the first row is 0); expected a time such as "
            "2026-01-31 or 2026-01-31T12:00:00+01:00"
        )
    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return int(np.datetime64(naive, "us").astype(np.int64))


def _moment(value: Any) -> datetime | None:
    match value:
        case str():
            return time_of(value)
        case datetime():
            return value
        case date():
            return datetime.combine(value, time())
        case int() | float() | np.number():
            return time_of(category(value))
    return None


def _tokens(spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    """Ids padded with 0, or cut, to the tensor's length."""
    if not _are_lists(spec, values):
        return _known_ids(spec, _array(spec, values, name, numbering), name, numbering)
    require_lists(values, name, numbering)
    length = spec.shape[0] or max((len(row) for row in values if row is not None), default=1)
    padded = np.zeros((len(values), length), dtype=np.int64)
    for row, ids in enumerate(values):
        if ids is not None:
            known = np.asarray(ids)
            # Files give the numbers of lists as float64.
            if len(known) and not (known.dtype.kind in "iuf" and (known == np.floor(known)).all()):
                raise InvalidJob(
                    f"column {name!r} holds {kind_of(known)} in row {numbering[row]}; expected whole numbers"
                )
            # One that does not fit is none that the model knows; numpy would make another of it.
            padded[row, : len(known)] = known[:length].clip(-_LARGEST_ID, _LARGEST_ID)
    return _known_ids(spec, padded, name, numbering).astype(spec.dtype)


def _known_ids(spec: TensorSpec, ids: Array, name: str, numbering: Numbering) -> Array:
    """Ids as they are; others than the model has are refused."""
    low, high = spec.limits.get(spec.name, (0.0, np.inf))
    wrong = (ids < low) | (ids > high)
    if wrong.any():
        row = int(np.argmax(wrong.any(axis=1)))
        raise InvalidJob(
            f"column {name!r} holds the id {ids[row][wrong[row]][0]:g} in row {numbering[row]} (the first row is 0); "
            f"the model takes those from {low:g} to {high:g}"
        )
    return ids


def _sequence(spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    """Lists of numbers, filled up with NaN, or cut, to the tensor's length; arrays of one shape as they are."""
    if not _are_lists(spec, values):
        return _array(spec, values, name, numbering)
    require_lists(values, name, numbering)
    padded = np.full((len(values), spec.shape[0] or 1), np.nan, dtype=spec.dtype)
    for row, entries in enumerate(values):
        if entries is not None:
            known = numbers(entries, name, gaps=True, numbering=[numbering[row]] * len(entries))[: padded.shape[1]]
            padded[row, : len(known)] = known
    return padded


def _images(spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    return (encode_pictures if takes_pictures(spec) else _array)(spec, values, name, numbering)


_Encoder = Callable[[TensorSpec, Array, str, Numbering], Array]
_SHARED: dict[ColumnKind | None, _Encoder] = {
    "number": _numbers,
    "boolean": _booleans,
    "category": _categories,
    "time": _times,
}
"""Kinds of which all columns share a tensor."""
_SINGLE: dict[ColumnKind | None, _Encoder] = {
    "text": _free_texts,
    "tokens": _tokens,
    "tags": joined_tags,
    "sequence": _sequence,
    "image": _images,
}


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or bool(value != value)


def _scalar(values: object, name: str) -> Array:
    array = values_of(values)
    if array.ndim != 1:
        raise InvalidJob(f"column {name!r} has rows of shape {array.shape[1:]}; expected one value per row")
    return array


def _column(name: str, columns: Mapping[str, object]) -> object:
    if name not in columns:
        raise InvalidJob(_lacking(name, columns))
    return columns[name]


def _lacking(name: str, columns: Mapping[str, object]) -> str:
    return f"the data has no column {name!r}, which the model takes; it has {choices(name, list(columns))}"
