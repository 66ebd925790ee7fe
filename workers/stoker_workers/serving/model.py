"""A loaded model, as drainers use it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from stoker.errors import StokerError
from stoker.models.manifest import ModelVersion

Response = bytes | StokerError


class Model(Protocol):
    """Answers batches of requests."""

    @property
    def evicted(self) -> bool:
        """Whether the model has been evicted: it must be loaded again."""

    @property
    def most(self) -> int:
        """The largest batch to take."""

    def answer(self, requests: Sequence[bytes]) -> Sequence[Response]:
        """The encoded output for each request's encoded inputs, or its error."""


LoadModel = Callable[[ModelVersion], Model | StokerError | None]
LoadBeside = Callable[[ModelVersion, ModelVersion], Model | StokerError | None]
"""Loads a version beside another one, which stays loaded."""
