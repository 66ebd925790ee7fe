"""Checks of a model's inputs by its signature: by clients before they send, and by workers again."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidJob
from .columns import listed
from .picture_rows import as_rows, takes_pictures
from .rows import encode
from .signature import Signature, TensorSpec
from .tensors import Array, Tensors
from .values import values_of
from .windows import newest_windows

_LIST_KINDS = ("tags", "tokens", "sequence", "vector")
_CASTS = {"f": "biuf", "i": "biu", "u": "biu", "b": "b"}  # numpy kinds that an input of a kind accepts


class Inputs:
    """The inputs of one model.

    A check covers names, the number of rows, shapes and dtypes; numbers must be finite, fit the dtype and be within the
    signature's limits. NaN is a missing number where the model takes gaps. The range of the training data is not a
    limit: rows outside are drift, not an error.

    Args:
        ref: the model's exact reference, for messages.

    Attributes:
        ref: the same.
        specs: one for each input, in the order of the signature.
        dtypes: numpy's dtype of each input; that of encoded text for strings.
        lists: the columns of which each row is a plain list.
    """

    def __init__(self, signature: Signature, ref: str) -> None:
        self.specs = signature.inputs
        self.dtypes = tuple(_numpy_dtype(spec.dtype) for spec in self.specs)
        self.ref = ref
        self._names = tuple(spec.name for spec in self.specs)
        self._keys = frozenset(self._names)
        self.lists = frozenset(name for spec in self.specs if _takes_lists(spec) for name in spec.columns)
        self._columns = frozenset(name for spec in self.specs for name in spec.columns or (spec.name,))
        self._targets = signature.target_columns
        self._forecast = signature.forecast
        if self._forecast:
            self._columns = frozenset(self._forecast.columns)
        self._takes_any_number = len(self.specs) == 1 and _takes_any_number(self.specs[0], self.dtypes[0])

    def encoded(self, given: Array | Mapping[str, object]) -> Tensors:
        """The model's tensors for rows by column; an array, or tensors by their own names, stay as they are.

        For a model that forecasts, the last window of each series.

        Raises:
            InvalidJob: a column is missing, or holds what it cannot.
        """
        if isinstance(given, np.ndarray):
            if len(self.specs) > 1 or not takes_pictures(self.specs[0]):
                return _sendable(given)
            given = {(self.specs[0].columns or self._names)[0]: given}
        if self._forecast and not self._are_tensors(given):
            return {self._names[0]: newest_windows(given, self._forecast)}
        if self._are_tensors(given) or all(spec.kind is None and not spec.columns for spec in self.specs):
            return self._own(given)
        tensors = encode(self.specs, {**given, **self._pictures(given)})
        return {name: _sendable(array) for name, array in tensors.items()}

    def unused(self, given: Array | Mapping[str, object]) -> list[str]:
        """The columns of rows that the model does not read, in order; its target, if it is there, is none of them."""
        if isinstance(given, np.ndarray) or self._are_tensors(given):
            return []
        return [name for name in given if name not in self._columns and name not in self._targets]

    def is_usual(self, rows: object) -> bool:
        """Whether rows are as most are, and need no look at each part of the signature.

        They are an array of the only input's own shape and dtype, without missing values, and of a model that takes any
        number. Such rows are what `encoded` gives for them, and pass `check`.
        """
        if not (self._takes_any_number and isinstance(rows, np.ndarray) and rows.dtype == self.dtypes[0]):
            return False
        # Numpy's own `all` is Python, and takes longer than what it looks at.
        fits = rows.shape[1:] == self.specs[0].shape and rows.ndim > 0
        return fits and np.count_nonzero(np.isfinite(rows)) == rows.size

    def check(self, tensors: Tensors) -> None:
        """Check inputs completely.

        Raises:
            InvalidJob: the model does not accept them; says why, and in which rows.
        """
        columns = self.ordered(tensors)
        self.check_shapes([array.shape for array in columns])
        self.conform(columns)

    def ordered(self, tensors: Tensors) -> list[Array]:
        """One array for each input; checks only names and the number of rows.

        Raises:
            InvalidJob: an input is missing or unknown, or the numbers of rows differ.
        """
        if not isinstance(tensors, np.ndarray):
            return self._by_name(tensors)
        if len(self._names) > 1:
            names = [name for spec in self.specs for name in spec.columns or (spec.name,)]
            raise InvalidJob(
                f"{self.ref} takes rows by name: {listed(names)}; got a single array: give a dict of columns, a list "
                "of dicts or a table"
            )
        if not tensors.ndim:
            self.check_shapes([()])
        return [tensors]

    def check_shapes(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Check the shapes of ordered arrays.

        Raises:
            InvalidJob: a shape does not fit the signature.
        """
        for spec, shape in zip(self.specs, shapes, strict=True):
            if shape[1:] == spec.shape and shape:
                continue
            fits = len(shape) == len(spec.shape) + 1 and all(
                expected in (None, size) for expected, size in zip(spec.shape, shape[1:], strict=True)
            )
            if not fits:
                expected = ", ".join(["rows", *("any" if size is None else str(size) for size in spec.shape)])
                raise InvalidJob(
                    f"input {spec.name!r} of {self.ref} must have shape ({expected}), got {shape}; "
                    "the first axis counts rows, also for a single one"
                )

    def conform(self, columns: Sequence[Array]) -> list[Array]:
        """Cast ordered arrays to the signature's dtypes.

        Raises:
            InvalidJob: there is text in place of numbers or the reverse, or a number that is not finite, does not fit
                the dtype or is outside the signature's limits.
        """
        return [
            self._text(array, spec) if spec.dtype == "string" else self._numbers(array, spec, dtype)
            for array, spec, dtype in zip(columns, self.specs, self.dtypes, strict=True)
        ]

    def _pictures(self, given: Mapping[str, object]) -> dict[str, Array]:
        """The columns of pictures, each with rows."""
        names = [name for spec in self.specs if takes_pictures(spec) for name in spec.columns or (spec.name,)]
        return {name: as_rows(values_of(given[name])) for name in names if name in given}

    def _are_tensors(self, given: Mapping[str, object]) -> bool:
        return given.keys() == self._keys and self._columns.isdisjoint(given)

    def _own(self, given: Mapping[str, object]) -> Tensors:
        if len(self._names) == 1 and self._names[0] not in given:
            raise InvalidJob(
                f"{self.ref} was trained on an array {self._names[0]!r} without names of columns; got "
                f"{listed(list(given))}: give the rows as an array, in the order of the training"
            )
        return {name: _sendable(values_of(values)) for name, values in given.items() if name in self._keys}

    def _by_name(self, arrays: Mapping[str, Array]) -> list[Array]:
        if arrays.keys() != self._keys:
            raise InvalidJob(
                f"{self.ref} takes the inputs {', '.join(self._names)}; got {', '.join(arrays) or 'none'}: "
                "give exactly one array per input"
            )
        columns = [np.asarray(arrays[name]) for name in self._names]
        rows = [array.shape[:1] for array in columns]
        if () in rows:
            self.check_shapes([array.shape for array in columns])
        if rows.count(rows[0]) < len(rows):
            raise InvalidJob(
                f"the inputs of {self.ref} must have equally many rows; got "
                + ", ".join(f"{count} in {name}" for name, (count,) in zip(self._names, rows, strict=True))
            )
        return columns

    def _text(self, array: Array, spec: TensorSpec) -> Array:
        try:
            if array.dtype.kind == "S":
                return array
            if array.dtype.kind == "U":
                return np.strings.encode(array, "utf-8")
            if array.dtype.kind == "O" and all(isinstance(value, str | bytes) for value in array.flat):
                encoded = [value.encode() if isinstance(value, str) else value for value in array.flat]
                return np.array(encoded, dtype=object).reshape(array.shape)
        except ValueError as error:  # half a surrogate pair, or a number that is no character
            raise InvalidJob(f"input {spec.name!r} of {self.ref} must be text, but is no Unicode: {error}") from None
        raise InvalidJob(f"input {spec.name!r} of {self.ref} must be text, got {array.dtype}; give an array of strings")

    def _numbers(self, array: Array, spec: TensorSpec, target: np.dtype[np.generic]) -> Array:
        kind = "f" if target.kind == "V" else target.kind  # numpy calls bfloat16 a void
        if array.dtype.kind not in _CASTS[kind]:
            raise InvalidJob(
                f"input {spec.name!r} of {self.ref} must be {spec.dtype}, got {array.dtype}; convert it before sending"
            )
        if array.dtype == target:
            cast = array
        else:
            with np.errstate(over="ignore"):
                cast = array.astype(target)
        if kind == "f":
            finite = ~np.isinf(cast) if spec.gaps else np.isfinite(cast)
            if not finite.all():
                got = "infinite" if spec.gaps else "NaN, infinite"
                raise InvalidJob(
                    f"input {spec.name!r} of {self.ref} must hold finite {spec.dtype} numbers, got {got} or too large "
                    f"ones in {_rows_with(~finite)}; fill or drop them"
                )
        elif cast.dtype != array.dtype and not np.array_equal(cast, array):
            raise InvalidJob(
                f"input {spec.name!r} of {self.ref} must fit into {spec.dtype}, but {_rows_with(cast != array)} do not"
            )
        for name, (least, most) in spec.limits.items():
            limited = cast[:, spec.columns.index(name)] if name in spec.columns else cast
            beyond = (limited < least) | (limited > most)
            if beyond.any():
                raise InvalidJob(
                    f"{name!r} must be from {least:g} to {most:g} for {self.ref}, but is not in {_rows_with(beyond)}; "
                    "check its unit, or drop such rows"
                )
        return cast


def _sendable(array: Array) -> Array:
    """Objects that are texts as an array of text, which can be sent; others as they are, for the check to refuse."""
    if array.dtype == object and all(isinstance(value, str) for value in array.flat):
        return array.astype(np.str_)
    return array


def _takes_any_number(spec: TensorSpec, dtype: np.dtype[np.generic]) -> bool:
    return dtype.kind == "f" and not spec.limits and not takes_pictures(spec)


def _takes_lists(spec: TensorSpec) -> bool:
    return spec.kind in _LIST_KINDS and len(spec.shape) <= 1


def _numpy_dtype(name: str) -> np.dtype[np.generic]:
    if name == "string":
        return np.dtype(np.bytes_)
    try:
        return np.dtype(name)
    except TypeError:
        # bfloat16 and the like, which numpy knows only with TensorFlow: a finite value of these is finite as float32.
        return np.dtype(np.float32)


def _rows_with(wrong: NDArray[np.bool_]) -> str:
    """The rows with a wrong value: "row 3", or "5 rows, first row 3"."""
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    return f"row {rows[0]}" if len(rows) == 1 else f"{len(rows)} rows, first row {rows[0]}"
