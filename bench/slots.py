"""Slots of one real node that come and go: a burst of trainings, up and down under load, and what a slot costs.

Everything is real: Redis, a controller, a `stoker worker`. Beside it, in turns, a plain Celery worker that imports
TensorFlow is started anew, with the pool that starts soonest and a message that waits for it already.
"""

import itertools
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from celery import Celery

import stoker
from stoker.fleet.bounds import Bounds, FleetSettings
from stoker.ledger import autoscaling
from stoker.local import LocalStack
from stoker.local.server import local_server
from stoker.local.subprocesses import Subprocess
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker.status import JobStatus

from .figures import await_worker, summary

Figures = dict[str, float]
_MOST, _TARGET_WAIT_S, _COOLDOWN_S = 2, 5.0, 10.0
_FLEET = FleetSettings(min=1, max=_MOST, target_wait_s=_TARGET_WAIT_S, cooldown_s=_COOLDOWN_S)
# At once, what one slot takes this many times the target to start, and two do not; then so long, as many as take this
# share of both slots.
_BURST, _STREAM_S, _SHARE = 1.5, 20.0, 0.6
_UP, _AHEAD = 3, 4
_LOOK_S, _LIMIT_S = 0.02, 180.0
_MB = 1e6
_COLD = ("-A", "bench.cold", "worker", "--pool=solo", "--without-mingle", "--without-gossip", "--without-heartbeat")


def measure(rounds: int, cycles: int) -> dict[str, Any]:
    """Take all figures; `cycles` is how often the node goes up and down."""
    with tempfile.TemporaryDirectory(prefix="stoker-bench-") as folder, ExitStack() as stack:
        home = Path(folder)
        settings = Settings(home=home / "node", slots=1, most_slots=_UP, fleet={"cpu": _FLEET})
        local = stack.enter_context(LocalStack(settings))
        client = stack.enter_context(stoker.Client(local.redis_url, settings=settings))
        connection = stack.enter_context(closing(Connection.open(settings, local.redis_url)))
        cold = _Cold(stack.enter_context(local_server(home / "cold")), home / "cold.log")
        await_worker(client)
        node = _Node(client, connection)
        job_s = node.job_s()
        taken: list[Figures] = []
        for _ in range(rounds):
            taken.append(node.memory() | cold.start() | node.burst(job_s))
            print(taken[-1], flush=True)
        up_and_down = node.up_and_down(cycles)
        print(up_and_down, flush=True)
    return {
        "target_wait_s": _TARGET_WAIT_S,
        "cooldown_s": _COOLDOWN_S,
        "most_slots": _MOST,
        "job_s": job_s,
        "rounds": taken,
        "summary": summary(taken),
        "up_and_down": up_and_down,
    }


class _Node:
    """The node, whose fleet is scaled between one slot and two unless bounds are set by hand."""

    def __init__(self, client: stoker.Client, connection: Connection) -> None:
        self._client = client
        self._connection = connection
        self._seeds = itertools.count()

    def job_s(self) -> float:
        """How long a job runs while all slots are busy."""
        with _Bounds(self._connection, _MOST):
            self._await_slots(_MOST)
            jobs = [self._submit() for _ in range(3 * _MOST)]
            # The first ones find nothing in the page cache.
            return sum(_run_s(status) for status in map(_ended, jobs[_MOST:])) / (2 * _MOST)

    def memory(self) -> Figures:
        """What a slot that has just been added holds of its own."""
        self._await_slots(1)
        before = self._slots()
        with _Bounds(self._connection, _MOST):
            self._await_slots(_MOST)
            [added] = self._slots() - before
            return {"slot_mb": _own_mb(added)}

    def burst(self, job_s: float) -> Figures:
        """Trainings all at once, then others steadily: their waits, and when the second slot came and went."""
        self._await_slots(1)
        count = math.ceil(_BURST * _TARGET_WAIT_S / job_s)
        begun = datetime.now(UTC)
        jobs = self._client.submit_many([self._spec() for _ in range(count)])
        stream = time.monotonic() + _STREAM_S
        steady = []
        while time.monotonic() < stream:
            time.sleep(job_s / (_SHARE * _MOST))
            steady.append(self._submit())
        first, later = [_ended(job) for job in jobs], [_ended(job) for job in steady]
        idle_since = max(status.finished_at for status in first + later if status.finished_at)
        self._await_slots(1)
        back_s = (datetime.now(UTC) - idle_since).total_seconds()
        decided = min(
            decision.at
            for decision in self._connection.run(autoscaling.decisions("cpu"))
            if decision.at > begun and decision.wanted == _MOST
        )
        waits = sorted(_wait_s(status) for status in later)
        return {
            "decided_s": (decided - begun).total_seconds(),
            "serving_s": (_second_start(first + later) - decided).total_seconds(),
            "burst_jobs": count,
            "burst_wait_s": max(_wait_s(status) for status in first),
            "later_jobs": len(later),
            "later_wait_p50_s": waits[len(waits) // 2],
            "later_wait_s": waits[-1],
            "back_to_least_s": back_s,
            "not_succeeded": sum(status.state != "SUCCEEDED" for status in first + later),
        }

    def up_and_down(self, cycles: int) -> dict[str, float]:
        """From one slot to three and back, with jobs always ahead; what becomes of these."""
        jobs: list[stoker.Job] = []
        ahead: list[stoker.Job] = []

        def keep_ahead() -> None:
            ahead[:] = [job for job in ahead if job.state in ("QUEUED", "RUNNING")]
            fresh = [self._submit() for _ in range(_AHEAD - len(ahead))]
            jobs.extend(fresh)
            ahead.extend(fresh)

        begun = time.monotonic()
        for _ in range(cycles):
            for slots in (_UP, 1):
                self._connection.run(autoscaling.set_bounds("cpu", Bounds(min=slots, max=slots)))
                self._await_slots(slots, keep_ahead)
        self._connection.run(autoscaling.clear_bounds("cpu"))
        ended = [_ended(job) for job in jobs]
        return {
            "cycles": cycles,
            "took_s": round(time.monotonic() - begun, 1),
            "jobs": len(ended),
            "succeeded": sum(status.state == "SUCCEEDED" for status in ended),
            "second_attempts": sum(status.attempt != 1 for status in ended),
        }

    def _spec(self) -> stoker.Train:
        return stoker.Train(
            model="slots", data="sample://digits", epochs=15, batch_size=64, seed=next(self._seeds), device="cpu"
        )

    def _submit(self) -> stoker.Job:
        return self._client.submit(self._spec())

    def _slots(self) -> set[psutil.Process]:
        [worker] = self._client.workers()
        return set(psutil.Process(worker.pid).children())

    def _await_slots(self, slots: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        deadline = time.monotonic() + _LIMIT_S
        while [worker.slots for worker in self._client.workers()] != [slots] or len(self._slots()) != slots:
            if time.monotonic() > deadline:
                raise stoker.Timeout(f"the worker has not come to {slots} slots within {_LIMIT_S:g} s")
            meanwhile()
            time.sleep(_LOOK_S)


class _Bounds:
    """So many slots, as by `stoker fleet scale`, for the length of a with block."""

    def __init__(self, connection: Connection, slots: int) -> None:
        self._connection = connection
        self._slots = slots

    def __enter__(self) -> None:
        self._connection.run(autoscaling.set_bounds("cpu", Bounds(min=self._slots, max=self._slots)))

    def __exit__(self, *_: object) -> None:
        self._connection.run(autoscaling.clear_bounds("cpu"))


class _Cold:
    """Starts the plain Celery worker."""

    def __init__(self, url: str, log: Path) -> None:
        self._log = log
        self._url = url
        self._app = Celery(broker=url, backend=url)

    def start(self) -> Figures:
        """From starting the process to the result of the first task, which was there before; and its memory."""
        waiting = self._app.send_task("introduce")
        environment = os.environ | {"BENCH_URL": self._url, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        begun = time.monotonic()
        worker = Subprocess([sys.executable, "-m", "celery", *_COLD], log=self._log, environment=environment)
        try:
            _, pid = waiting.get(timeout=_LIMIT_S)
            took_s = time.monotonic() - begun
            return {"cold_serving_s": took_s, "cold_mb": _own_mb(psutil.Process(pid))}
        finally:
            worker.stop(10)


def _ended(job: stoker.Job) -> JobStatus:
    job.wait(timeout=_LIMIT_S)
    return job.status()


def _run_s(status: JobStatus) -> float:
    assert status.started_at
    assert status.finished_at
    return (status.finished_at - status.started_at).total_seconds()


def _wait_s(status: JobStatus) -> float:
    assert status.started_at
    return (status.started_at - status.submitted_at).total_seconds()


def _second_start(jobs: Sequence[JobStatus]) -> datetime:
    """When a job began while another one ran."""
    ran = sorted((job.started_at, job.finished_at) for job in jobs if job.started_at and job.finished_at)
    return next(later for (_, ended), (later, _) in itertools.pairwise(ran) if later < ended)


def _own_mb(process: psutil.Process) -> float:
    """Private memory of a process and all below it, in MB."""
    tree = [process, *process.children(recursive=True)]
    return sum(float(one.memory_full_info().uss) for one in tree) / _MB
