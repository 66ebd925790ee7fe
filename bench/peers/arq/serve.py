"""arq: its worker's settings, with a poll as short as its clients' patience."""

import os
from typing import Any

from arq.connections import RedisSettings


async def noop(_context: dict[str, Any]) -> None:
    """Do nothing."""


class Worker:
    """What `arq` reads."""

    functions = (noop,)
    redis_settings = RedisSettings.from_dsn(os.environ["BENCH_URL"])
    max_jobs = 100
    poll_delay = 0.005
