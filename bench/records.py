"""Looking at jobs while Redis holds a thousand, a hundred thousand and a million records of them, and what they take.

One server; the records are of queued trainings of ten tenants, and every tenth job has been cancelled.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

import stoker
from stoker.ledger import intake, monitoring, records, upkeep
from stoker.ledger.intake import NewJob
from stoker.local.server import local_server
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .figures import Figures, write
from .options import parse

_COUNTS, _QUICK_COUNTS = (1_000, 100_000, 1_000_000), (200, 400)
_AT_ONCE, _TIMES, _COMMANDS = 500, 50, 5


def main() -> None:
    """Measure and write the figures down."""
    options = parse("records", __doc__, rounds=1)
    rounds = []
    with tempfile.TemporaryDirectory(prefix="stoker-bench-") as folder, local_server(Path(folder)) as url:
        settings = Settings(redis_url=url, home=Path(folder), socket_timeout_s=60)
        with stoker.Client(settings=settings) as client, redis.Redis.from_url(url) as server:
            connection, held = Connection.open(settings, url), 0
            empty = server.info("memory")["used_memory_dataset"]
            for count in _QUICK_COUNTS if options.quick else _COUNTS:
                begun = time.perf_counter()
                for jobs in _new_jobs(count - held):
                    ids = connection.run(intake.submit(jobs))
                    for job_id in ids[::10]:
                        connection.run(records.cancel(job_id))
                taken_s, added, held = time.perf_counter() - begun, count - held, count
                figures = _look(client, connection)
                figures["bytes_per_job"] = (server.info("memory")["used_memory_dataset"] - empty) / count
                figures["submitted_per_s"] = added / taken_s
                rounds.append({"records": float(count)} | figures)
                print(rounds[-1])
            connection.close()
    write("records", {"rounds": rounds}, options.results)


def _new_jobs(count: int) -> Iterator[list[NewJob]]:
    """So many jobs, some hundred at once."""
    specs = [_spec(tenant) for tenant in range(10)]
    for begin in range(0, count, _AT_ONCE):
        numbers = range(begin, min(count, begin + _AT_ONCE))
        yield [NewJob(str(uuid.uuid4()), specs[number % 10], "cpu.train") for number in numbers]


def _spec(tenant: int) -> stoker.Train:
    return stoker.Train(
        model="digits",
        data="sample://digits",
        architecture=stoker.MLP(hidden=[64, 32]),
        epochs=10,
        batch_size=32,
        tags={"tenant": f"tenant-{tenant}"},
    )


def _look(client: stoker.Client, connection: Connection) -> Figures:
    """Median milliseconds of each way to look."""
    queued = stoker.JobState.QUEUED
    command = [sys.executable, "-m", "stoker.cli", "jobs", "--json"]
    environment = os.environ | client.settings.environment()
    return {
        "jobs_ms": _median_ms(client.jobs, _TIMES),
        "jobs_queued_ms": _median_ms(lambda: client.jobs(queued, "train"), _TIMES),
        "counts_ms": _median_ms(lambda: connection.run(records.counts()), _TIMES),
        "health_ms": _median_ms(lambda: connection.run(monitoring.health()), _TIMES),
        "ring_again_ms": _median_ms(lambda: connection.run(upkeep.resend(10)), _TIMES),
        "command_ms": _median_ms(
            lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL), _COMMANDS
        ),
    }


def _median_ms(look: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        look()
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
