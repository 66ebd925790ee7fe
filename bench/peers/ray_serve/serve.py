"""Ray Serve: a deployment per model, batching on."""

import os
import signal
import threading
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import ray
from ray import serve
from starlette.requests import Request

from .. import model

MAX_BATCH = 256
BATCH_WAIT_S = 0.002
# More than callers: none is refused.
MAX_ONGOING = 2048

Rows = np.ndarray[Any, np.dtype[np.float32]]


class Served:
    """One model in one replica; a request carries any number of rows."""

    def __init__(self, name: str) -> None:
        self._predict = model.load(name)

    async def __call__(self, request: Request) -> list[list[float]]:
        """Answer one HTTP request."""
        rows = np.array((await request.json())["rows"], np.float32)
        answer: list[list[float]] = (await self.batch(rows)).tolist()
        return answer

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=BATCH_WAIT_S)  # type: ignore[untyped-decorator]
    async def batch(self, asked: list[Rows]) -> list[Rows]:
        """Run the model once for all requests of a batch."""
        ends = np.cumsum([len(rows) for rows in asked])
        return np.split(self._predict(np.concatenate(asked)), ends[:-1])


def main() -> None:
    """Serve until told to stop."""
    where = urlsplit(os.environ["BENCH_URL"])
    ray.init(num_cpus=len(os.sched_getaffinity(0)), include_dashboard=False, object_store_memory=100_000_000)
    serve.start(http_options={"host": where.hostname, "port": where.port})
    deployment = serve.deployment(Served, max_ongoing_requests=MAX_ONGOING, ray_actor_options={"num_cpus": 0})
    for name in model.names():
        serve.run(deployment.bind(name), name=name, route_prefix=f"/{name}")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    ray.shutdown()


if __name__ == "__main__":
    main()
