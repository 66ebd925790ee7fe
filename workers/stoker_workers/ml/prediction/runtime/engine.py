"""The interface of engines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from stoker.models.signature import Signature
from stoker.models.tensors import Array, Outputs

Say = Callable[[int, str], None]
"""Takes what is to be said of a model, as the rest of a sentence, and a level of `logging`."""


class ModelFailed(Exception):
    """The model cannot compute these inputs: an index out of range, an unknown text, not enough memory, …"""


def by_name(names: Sequence[str], arrays: Sequence[Array]) -> Outputs:
    """The outputs of a call that lists them.

    Args:
        names: those of the outputs, in the same order; none if there is one output, which has no name.

    Raises:
        ModelFailed: there are more or fewer.
    """
    if len(arrays) != (len(names) or 1):
        raise ModelFailed(f"it gives {len(arrays)} outputs, not {len(names) or 1}")
    return dict(zip(names, arrays, strict=True)) if names else arrays[0]


def listed_outputs(outputs: Outputs) -> list[Array]:
    """The outputs in order, without their names."""
    return list(outputs.values()) if isinstance(outputs, Mapping) else [outputs]


def distinct(names: Sequence[str]) -> list[str]:
    """Names of which those that come again have their place behind them."""
    return [f"{name}_{at}" if name in names[:at] else name for at, name in enumerate(names)]


class Engine(Protocol):
    """Computes a model's output. For one thread."""

    @property
    def name(self) -> str:
        """Its name in logs, e.g. "litert"."""
        ...

    @property
    def threads(self) -> int:
        """How many cores one call may use."""
        ...

    @property
    def size_bytes(self) -> int:
        """Its memory, with its own copy of the weights."""
        ...

    def run(self, columns: Sequence[Array]) -> Outputs:
        """The outputs for each row.

        Args:
            columns: one checked array for each input of the signature, in its order; at least one row.

        Raises:
            ModelFailed: the model cannot compute these inputs.
        """
        ...


class Reference(Engine, Protocol):
    """The engine that computes what the model's file says, whatever its speed; the others must agree with it."""

    def no_rows(self) -> Outputs:
        """The outputs for zero rows."""
        ...


def empty_outputs(signature: Signature) -> Outputs:
    """The outputs of a model for zero rows, as its signature has them."""
    arrays = [np.empty((0, *(size or 0 for size in spec.shape)), np.dtype(spec.dtype)) for spec in signature.outputs]
    return by_name(tuple(signature.parts), arrays)
