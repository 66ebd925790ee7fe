"""arq's own client."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.constants import result_key_prefix

from ...adapter import CALL_TIMEOUT_S, LOOK_S
from ...adapter import Adapter as Base


class Adapter(Base):
    """The default queue, from one event loop."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._loop = asyncio.new_event_loop()
        self._pool: ArqRedis = self._loop.run_until_complete(create_pool(RedisSettings.from_dsn(url)))

    def submit_ways(self) -> Mapping[str, Callable[[int], Any]]:
        return {
            "enqueue_job": lambda count: self._loop.run_until_complete(self._submit(count)),
            "enqueue_job, gathered": lambda count: self._loop.run_until_complete(self._submit_together(count)),
        }

    def noop(self) -> None:
        self._loop.run_until_complete(self._noop())

    def noops(self, count: int) -> None:
        self._loop.run_until_complete(self._noops(count))

    async def _noop(self) -> None:
        job = await self._pool.enqueue_job("noop")
        await job.result(timeout=CALL_TIMEOUT_S, poll_delay=0.001)

    async def _noops(self, count: int) -> None:
        keys = [result_key_prefix + job.job_id for job in await self._submit_together(count)]
        while await self._pool.exists(*keys) < count:  # noqa: ASYNC110  # the event is in Redis
            await asyncio.sleep(LOOK_S)

    async def _submit(self, count: int) -> None:
        for _ in range(count):
            await self._pool.enqueue_job("noop")

    async def _submit_together(self, count: int) -> list[Any]:
        jobs: list[Any] = []
        while len(jobs) < count:
            together = min(100, count - len(jobs))
            jobs += await asyncio.gather(*(self._pool.enqueue_job("noop") for _ in range(together)))
        return jobs
