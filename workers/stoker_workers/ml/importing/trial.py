"""Trying a model on made-up rows: whether its first axis counts rows, and what its outputs are like."""

from collections.abc import Sequence

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.inputs import Inputs
from stoker.models.tensors import Array

from ..memory import is_out_of_memory
from ..prediction.loading import NoMemory, first_line
from ..prediction.runtime import ModelFailed, Reference, sample
from ..prediction.runtime.engine import listed_outputs

_ROWS = 4
# Relative to the largest output: sums in another order differ by less, rows that are no rows by more.
_TOLERANCE = 1e-3
_WIDE = 10.0
_SEED = 1


def tried(engine: Reference, inputs: Inputs, names: Sequence[str]) -> tuple[dict[str, Array] | None, list[str]]:
    """The outputs for some made-up rows, by name; None if the model fails on such rows. And what to say of it.

    Raises:
        InvalidJob: its outputs have no row for each row, or one row's depend on the others.
        NoMemory: some rows need more memory than there is.
    """
    rows = [_spread(array) for array in sample(inputs, _ROWS)]
    try:
        together = listed_outputs(engine.run(rows))
        again = listed_outputs(engine.run(rows))
        first = listed_outputs(engine.run([array[:1] for array in rows]))
    except ModelFailed as error:
        if _lacks_memory(error):
            raise NoMemory(
                f"the model needs more memory for {_ROWS} rows than a file of its size should: {first_line(error)}; "
                "export it for smaller inputs, or with less of them in one array"
            ) from error
        return None, [f"it was not tried, for it fails on made-up rows: {first_line(error)}"]
    for name, output in zip(names, together, strict=True):
        if output.ndim < 1 or len(output) != _ROWS:
            raise InvalidJob(
                f"output {name!r} has the shape {output.shape} for {_ROWS} rows: its first axis must count rows, and "
                "so must that of the inputs; export the model so"
            )
    outputs = dict(zip(names, together, strict=True))
    nowhere = [name for name, output in outputs.items() if output.size and not np.isfinite(_numbers(output)).any()]
    notes = [f"output {name!r} is NaN or infinite for all made-up rows: are its weights whole?" for name in nowhere]
    if not all(map(_is_close, together, again)):
        return outputs, [*notes, "the same rows give other answers each time: something in it is random"]
    for name, output, alone in zip(names, together, first, strict=True):
        if not _is_close(output[:1], alone):
            raise InvalidJob(
                f"output {name!r} of a row is another one beside other rows: its first axis does not count rows, or "
                "the model mixes them; export it so that each row is answered for itself"
            )
    return outputs, notes


def _lacks_memory(error: ModelFailed) -> bool:
    cause = error.__cause__
    # ONNX Runtime and LiteRT have no class of error for it.
    return (cause is not None and is_out_of_memory(cause)) or "allocate memory" in str(error)


def _numbers(output: Array) -> Array:
    return output if output.dtype.kind == "f" else np.zeros(1)


def _spread(rows: Array) -> Array:
    """Rows of which half are as made up, from 0 to 1, and half from a wider range, on both sides of 0."""
    if rows.dtype.kind != "f":
        return rows
    wide = np.random.default_rng(_SEED).normal(0, _WIDE, rows.shape).astype(rows.dtype)
    return np.where((np.arange(len(rows)) % 2 == 1).reshape(-1, *[1] * (rows.ndim - 1)), wide, rows)


def _is_close(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    largest = np.abs(one[np.isfinite(one)]).max(initial=0) if one.dtype.kind == "f" else 0
    return bool(np.allclose(one, other, rtol=0, atol=_TOLERANCE * largest, equal_nan=one.dtype.kind == "f"))
