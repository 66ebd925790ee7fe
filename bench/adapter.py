"""What a caller does with a system, and each system does in its own way."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import bare

Array = NDArray[np.float32]
# A call that takes longer has failed.
CALL_TIMEOUT_S = 60.0
# How often a caller who waits for many jobs looks again.
LOOK_S = 0.01


class Adapter:
    """One system as its clients use it; a subclass has what its system can do. Runs in the system's own Python.

    Args:
        url: where the system listens, or the Redis it works on.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def infer(self, model: str, rows: Array) -> Array:
        """Predict, with the blocking client; called from many threads."""
        raise NotImplementedError

    async def infer_async(self, model: str, rows: Array) -> Array:
        """Predict, with the asyncio client; always in the same event loop."""
        raise NotImplementedError

    def many_ways(self) -> Mapping[str, Callable[[str, Array], Array]]:
        """The ways to predict many rows in one call, by name."""
        return {}

    def submit_ways(self) -> Mapping[str, Callable[[int], Any]]:
        """The ways to submit a number of no-op jobs, by name."""
        return {}

    def noop(self) -> None:
        """Submit one no-op job and wait until its result is here."""
        raise NotImplementedError

    def noops(self, count: int) -> None:
        """Submit no-op jobs in the fastest way, and return when each has its result."""
        raise NotImplementedError

    def call_barely(self, model: str, rows: Array, callers: int, until: float) -> bare.Load:
        """Predict row by row, without a client: callers that are bytes on sockets."""
        raise NotImplementedError

    def bare_answer(self, head: bytes, body: bytes) -> Array:
        """The predictions in an answer to such a caller."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close what the asyncio client holds."""
