"""RQ's own client."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import redis
from rq import Queue

from ...adapter import CALL_TIMEOUT_S, LOOK_S
from ...adapter import Adapter as Base
from .serve import noop


class Adapter(Base):
    """The default queue."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._queue = Queue(connection=redis.Redis.from_url(url))

    def submit_ways(self) -> Mapping[str, Callable[[int], Any]]:
        return {"enqueue": self._submit, "enqueue_many": self._submit_many}

    def noop(self) -> None:
        if self._queue.enqueue(noop).latest_result(timeout=int(CALL_TIMEOUT_S)) is None:
            raise TimeoutError

    def noops(self, count: int) -> None:
        finished = self._queue.finished_job_registry
        before = finished.get_job_count(cleanup=False)
        self._submit_many(count)
        while finished.get_job_count(cleanup=False) - before < count:
            time.sleep(LOOK_S)

    def _submit(self, count: int) -> None:
        for _ in range(count):
            self._queue.enqueue(noop)

    def _submit_many(self, count: int) -> None:
        self._queue.enqueue_many([Queue.prepare_data(noop) for _ in range(count)])
