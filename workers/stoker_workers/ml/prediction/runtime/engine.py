"""What every engine can do."""

from collections.abc import Sequence
from typing import Protocol

from stoker.models.tensors import Array


class ModelFailed(Exception):
    """The model cannot compute these inputs: an index out of range, a text it does not know, no memory for them."""


class Engine(Protocol):
    """Something that computes a model's output. For one thread."""

    @property
    def name(self) -> str:
        """As logs call it, e.g. "litert"."""
        ...

    @property
    def threads(self) -> int:
        """How many cores one call may use."""
        ...

    @property
    def size_bytes(self) -> int:
        """Memory that it takes, its own copy of the weights included."""
        ...

    def run(self, columns: Sequence[Array]) -> Array:
        """The output, row for row.

        Args:
            columns: one checked array per input of the signature, in its order; at least one row.

        Raises:
            ModelFailed: the model cannot compute these inputs.
        """
        ...
