"""Stoker's own clients; they find it by STOKER_REDIS_URL and STOKER_HOME."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import stoker
from stoker import JobState

from ...adapter import CALL_TIMEOUT_S, LOOK_S, Array
from ...adapter import Adapter as Base

# The cheapest job there is: it moves an alias to the model that it points at already.
_NOOP = stoker.Deploy(model="linear@1")


class Adapter(Base):
    """`Client` for threads, `AsyncClient` for an event loop."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._client = stoker.Client()
        self._async: stoker.AsyncClient | None = None

    def infer(self, model: str, rows: Array) -> Array:
        output: Array = self._client.infer(model, rows, timeout=CALL_TIMEOUT_S)
        return output.astype("float32", copy=False)

    async def infer_async(self, model: str, rows: Array) -> Array:
        self._async = self._async or stoker.AsyncClient()
        output: Array = await self._async.infer(model, rows, timeout=CALL_TIMEOUT_S)
        return output.astype("float32", copy=False)

    def many_ways(self) -> Mapping[str, Callable[[str, Array], Array]]:
        return {"infer_many": self._many}

    def submit_ways(self) -> Mapping[str, Callable[[int], Any]]:
        return {
            "submit": self._submit,
            "submit_many, no two specs alike": self._submit_various,
            "submit_many, one spec again and again": self._submit_many,
        }

    def noop(self) -> None:
        self._client.submit(_NOOP).result(timeout=CALL_TIMEOUT_S)

    def noops(self, count: int) -> None:
        self._submit_many(count)
        while any(self._client.jobs(state, _NOOP.kind, limit=1) for state in (JobState.QUEUED, JobState.RUNNING)):
            time.sleep(LOOK_S)
        if failed := self._client.jobs(JobState.FAILED, _NOOP.kind, limit=1):
            raise RuntimeError(f"{failed[0]}")

    async def close(self) -> None:
        self._client.close()
        if self._async:
            await self._async.close()

    def _many(self, model: str, rows: Array) -> Array:
        output: Array = self._client.infer_many(model, rows, timeout=CALL_TIMEOUT_S)
        return output.astype("float32", copy=False)

    def _submit(self, count: int) -> None:
        for _ in range(count):
            self._client.submit(_NOOP)

    def _submit_various(self, count: int) -> None:
        self._client.submit_many([stoker.Deploy(model="linear@1", tags={"number": str(n)}) for n in range(count)])

    def _submit_many(self, count: int) -> list[stoker.Job]:
        return self._client.submit_many([_NOOP] * count)
