"""Memory over a soak: 64 callers and now and then some jobs, for --minutes; what do client, workers and Redis hold?

Processes are measured by what is theirs alone (USS), summed over the worker and all its children.
"""

import statistics
import time

import psutil
import redis

import stoker

from .lineup import Lineup
from .options import parse
from .peers import STOKER
from .running import Callers

_CALLERS, _STRETCH_S, _JOBS = 64, 1.0, 20
_MB = 1e6
Sample = dict[str, float]


def main() -> None:
    """Measure and write the figures down."""
    options = parse("memory", __doc__, rounds=1, seconds=_STRETCH_S, minutes=1.0)
    # So that finished jobs do not pile up, as they are meant to do for a week.
    with Lineup("memory", options, ["mlp", "linear"], keep_finished=_JOBS) as lineup:
        callers = lineup.callers(STOKER)
        with (
            stoker.Client(callers.url, settings=lineup.settings) as client,
            redis.Redis.from_url(callers.url) as server,
        ):
            samples = _soak(callers, client, server, options.minutes * 60, options.seconds)
            slots = sorted(round(_own_mb(process), 1) for process in _processes(client))
        lineup.keep(STOKER.name, {"what": "growth, MB an hour"}, _growth(samples))
        lineup.write(minutes=options.minutes, samples=samples, worker_processes_mb=slots)


def _soak(
    callers: Callers, client: stoker.Client, server: redis.Redis, seconds: float, stretch_s: float
) -> list[Sample]:
    begun = time.monotonic()
    samples: list[Sample] = []
    while time.monotonic() - begun < seconds or len(samples) < 2:
        callers.measure("infer", model="mlp", style="asyncio", callers=_CALLERS, seconds=stretch_s)
        callers.measure("noops", count=_JOBS)
        samples.append(
            {
                "at_s": time.monotonic() - begun,
                "client_mb": _own_mb(psutil.Process(callers.pid)),
                "worker_mb": sum(_own_mb(process) for process in _processes(client)),
                "redis_mb": server.info("memory")["used_memory"] / _MB,
            }
        )
    return samples


def _processes(client: stoker.Client) -> list[psutil.Process]:
    """The worker and all its children."""
    found = []
    for worker in client.workers():
        parent = psutil.Process(worker.pid)
        found += [parent, *parent.children(recursive=True)]
    return found


def _own_mb(process: psutil.Process) -> float:
    """What would be free if it ended; nothing if it has ended already."""
    try:
        return float(process.memory_full_info().uss / _MB)
    except psutil.NoSuchProcess:
        return 0.0


def _growth(samples: list[Sample]) -> dict[str, float]:
    """MB an hour, of each part: the slope through all samples but the first quarter, in which caches fill."""
    settled = samples[len(samples) // 4 :]
    at = [sample["at_s"] / 3600 for sample in settled]
    return {
        part: statistics.linear_regression(at, [sample[part] for sample in settled]).slope
        for part in ("client_mb", "worker_mb", "redis_mb")
    }


if __name__ == "__main__":
    main()
