"""What both clients do around a lane: inputs into bytes, answers into arrays, rows into requests."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .errors import InvalidJob, Timeout
from .tensors import Array, Tensors, decode_tensors, encode_tensors

# One request carries at most this many rows, so that several workers share a large call.
ROWS_PER_REQUEST = 4096


def encoded(inputs: ArrayLike | Mapping[str, ArrayLike]) -> bytes:
    """Inputs as a request carries them: arrays with a first axis of rows.

    Raises:
        InvalidJob: a lone value, rows of different lengths, or Python objects.
    """
    return encode_tensors(_tensors(inputs))


def parts(rows: ArrayLike) -> list[bytes]:
    """Many rows as requests of a bounded size, in order; raises what `encoded` does."""
    array = _tensors(rows)
    if isinstance(array, Mapping):
        raise InvalidJob("infer_many takes one array of rows; for several inputs by name use infer")
    starts = range(0, max(1, len(array)), ROWS_PER_REQUEST)
    return [encode_tensors(array[start : start + ROWS_PER_REQUEST]) for start in starts]


def outputs(answer: bytes) -> Array:
    """The model's output."""
    decoded = decode_tensors(answer)
    assert isinstance(decoded, np.ndarray), "a worker answers with one array"
    return decoded.copy()  # a view of bytes could not be written to


def unanswered(model: str, timeout_s: float) -> Timeout:
    """The error of a request whose deadline has passed."""
    return Timeout(
        f"no answer from {model!r} within {timeout_s:g} s: are workers running (`stoker up`, `stoker worker`) "
        "and not all busy? Give a longer timeout or add slots"
    )


def _tensors(inputs: ArrayLike | Mapping[str, ArrayLike]) -> Tensors:
    try:
        if isinstance(inputs, Mapping):
            return {name: np.asarray(value) for name, value in inputs.items()}
        array = np.asarray(inputs)
    except ValueError as error:
        raise InvalidJob(f"inputs must be rows of one shape: {error}") from None
    if array.ndim == 0:
        raise InvalidJob(f"inputs must be rows, shape (rows, …), not the single value {array!r}")
    return array
