"""The interface of engines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

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
