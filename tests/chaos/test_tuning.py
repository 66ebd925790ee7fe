"""A search whose workers are killed proposes what it would have proposed, and repeats no trial.

Quick versions: a search on workers that are there, integration/test_searching.py; proposals, unit/ml/test_tuning.py.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import stoker
from stoker.events import JobState

from .deployment import Deployment, Party
from .monkey import LEASE_S
from .plain import Redis

_ENDS_WITHIN_S = 900.0
# What ends with a job's record, when its retention is over.
_OF_RECORDS = ("stoker:job:", "stoker:events:", "stoker:history:", "celery-task-meta-")
# What runs a job, from the inside out.
WHATS = ("runner", "slot", "worker")


def search(trials: int) -> stoker.Tune:
    """A search that learns from each trial before it tries the next, so that one thing lost would change all after."""
    return stoker.Tune(
        job=stoker.Run("shop.costs:cost", {"pause_s": 0.5}, max_attempts=10),
        space={"x": stoker.Float(-1, 1), "y": ["a", "b", "c"]},
        goal="min cost",
        trials=trials,
        parallel=1,
        seed=5,
        finish="none",
        max_attempts=10,
    )


@pytest.mark.slow
def test_a_search_whose_worker_is_killed_proposes_the_same(tmp_path: Path) -> None:
    compare(search(trials=14), tmp_path, tuner_at=[12], trial_at=[3])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_search_killed_six_times_proposes_the_same(tmp_path: Path) -> None:
    compare(search(trials=30), tmp_path, tuner_at=[0, 15, 29], trial_at=[2, 12, 25])


def compare(spec: stoker.Tune, folder: Path, *, tuner_at: Sequence[int], trial_at: Sequence[int]) -> None:
    """Run a search undisturbed; then again, while what runs it, and its trials, is killed.

    Args:
        tuner_at: after how many trials the attempt is killed that thinks of the next one.
        trial_at: the trials of which an attempt is killed.
    """
    with Deployment(
        folder / "home", workers=2, slots=1, controllers=1, namespaces=False, lease_s=LEASE_S
    ) as deployment:
        deployment.await_workers()
        with stoker.Client(settings=deployment.settings) as client:
            undisturbed = _proposals(client.submit(spec).result(timeout=_ENDS_WITHIN_S))
            job = client.submit(spec)
            kills = [(number, "tuner") for number in tuner_at] + [(number, "trial") for number in trial_at]
            for at, (number, of) in enumerate(sorted(kills)):
                _kill_at(number, of, WHATS[at % len(WHATS)], job, client, deployment)
            found = job.result(timeout=_ENDS_WITHIN_S)
            assert _proposals(found) == undisturbed
            assert len(set(_proposals(found))) == len(found.trials) == spec.trials
            children = client.jobs(parent=job.id, limit=1000)
            assert {child.id for child in children} == {trial.job for trial in found.trials}
            assert sum(child.attempt for child in children) == spec.trials + len(trial_at), "no trial was repeated"
        with deployment.connect() as redis:
            assert _endless(redis, job.id) == []
        deployment.stop_workers()


def _kill_at(number: int, of: str, what: str, job: stoker.Job, client: stoker.Client, deployment: Deployment) -> None:
    """Kill what runs the search after so many trials, or the trial of that number."""

    def hit() -> str | None:
        children = client.jobs(parent=job.id, limit=1000)
        if of == "tuner":
            status = job.status()
            is_hit = status.state is JobState.RUNNING and sum(child.state.final for child in children) >= number
            return status.worker if is_hit else None
        trial = next((child for child in children if child.id.endswith(f"-{number}")), None)
        return trial.worker if trial and trial.state is JobState.RUNNING else None

    _kill(what, _party_of(_awaited(hit), deployment))


def _awaited(hit: Callable[[], str | None]) -> str:
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while time.monotonic() < deadline:
        if worker := hit():
            return worker
        time.sleep(0.05)
    raise AssertionError("it did not come so far")


def _party_of(worker: str, deployment: Deployment) -> Party:
    return next(party for party in deployment.workers if party.main and f"-{party.main.pid}@" in worker)


def _kill(what: str, party: Party) -> None:
    processes = party.slots() if what == "slot" else party.runners()
    if what == "worker" or not processes:
        party.kill()
        party.start()
    else:
        processes[0].kill()


def _proposals(found: stoker.TuneResult) -> list[str]:
    return [json.dumps(trial.settings) for trial in found.trials]


def _endless(redis: Redis, job_id: str) -> list[str]:
    """The keys of a job and its children that neither expire nor end with the record of a job that has ended."""
    ended = redis.scored("stoker:finished")
    with_record = {f"{prefix}{each}" for each in ended for prefix in _OF_RECORDS}
    return [name for name in redis.names(f"*{job_id}*") if name not in with_record and not redis.expires(name)]
