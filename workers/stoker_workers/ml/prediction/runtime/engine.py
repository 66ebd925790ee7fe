"""The interface of engines."""

from collections.abc import Sequence
from typing import Protocol

from stoker.models.tensors import Array, Outputs


class ModelFailed(Exception):
    """The model cannot compute these inputs: an index out of range, an unknown text, not enough memory, …"""


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
