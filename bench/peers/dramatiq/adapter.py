"""Dramatiq's own client."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from ...adapter import CALL_TIMEOUT_S, LOOK_S
from ...adapter import Adapter as Base
from .serve import answer, broker, noop

# Where it keeps a queue's messages until they are acknowledged.
_MESSAGES = "dramatiq:default.msgs"


class Adapter(Base):
    """The default queue."""

    def submit_ways(self) -> Mapping[str, Callable[[int], Any]]:
        return {"send": self._submit}

    def noop(self) -> None:
        answer.send().get_result(block=True, timeout=int(CALL_TIMEOUT_S * 1000))

    def noops(self, count: int) -> None:
        self._submit(count)
        while broker.client.hlen(_MESSAGES):
            time.sleep(LOOK_S)

    def _submit(self, count: int) -> None:
        for _ in range(count):
            noop.send()
