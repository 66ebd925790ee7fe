"""Two nodes, each in a network of its own if that can be made, share one Redis; one of them is cut off for a while."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

import stoker
from stoker import JobState

from ..conftest import Eventually
from .deployment import Deployment, Party
from .network import Namespaces

_FIRST, _MEANWHILE = 16, 40
# Scores of trainings, on a machine that does much else.
_ENDS_WITHIN_S = 600.0


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_two_nodes_share_the_load_and_one_that_is_cut_off_until_the_other_has_its_jobs_loses_nothing(
    tmp_path: Path, eventually: Eventually
) -> None:
    with Deployment(
        tmp_path / "home", workers=2, slots=2, controllers=1, namespaces=Namespaces.possible()
    ) as deployment:
        deployment.await_workers()
        with stoker.Client(settings=deployment.settings) as client:
            jobs = client.submit_many([_training(number) for number in range(_FIRST)])
            _all_succeed(jobs)
            shares = Counter(_party_of(job, deployment).name for job in jobs)
            assert all(shares[party.name] for party in deployment.workers), shares

            jobs += client.submit_many([_training(number) for number in range(_FIRST, _FIRST + _MEANWHILE)])
            away, there = deployment.workers
            eventually(lambda: _running_on(away, jobs, deployment))
            deployment.network.cut(away.name)
            # What ended before the cut was not hit.
            hit = _running_on(away, jobs, deployment)
            ended_before = _succeeded(jobs)
            eventually(lambda: _succeeded(jobs) > ended_before)
            eventually(lambda: {_party_of(job, deployment).name for job in hit} <= {there.name})
            eventually(lambda: [worker.pid for worker in client.workers()] == [there.main.pid if there.main else 0])
            deployment.network.heal(away.name)

            _all_succeed(jobs)
            assert {_party_of(job, deployment).name for job in hit} == {there.name}
            assert sorted(version.name for version in client.models()) == sorted(f"job-{n}" for n in range(len(jobs)))
            eventually(lambda: len(client.workers()) == len(deployment.workers))
            later = client.submit_many([_training(n) for n in range(len(jobs), len(jobs) + _FIRST)])
            _all_succeed(later)
            assert away.name in {_party_of(job, deployment).name for job in later}
        deployment.stop_workers()


def _training(number: int) -> stoker.Train:
    return stoker.Train(
        model=f"job-{number}", data="sample://digits", epochs=40, batch_size=64, seed=number, device="cpu"
    )


def _all_succeed(jobs: Sequence[stoker.Job]) -> None:
    assert {job.wait(timeout=_ENDS_WITHIN_S) for job in jobs} == {JobState.SUCCEEDED}


def _succeeded(jobs: Sequence[stoker.Job]) -> int:
    return sum(job.state is JobState.SUCCEEDED for job in jobs)


def _running_on(party: Party, jobs: Sequence[stoker.Job], deployment: Deployment) -> list[stoker.Job]:
    return [job for job in jobs if job.state is JobState.RUNNING and _party_of(job, deployment) is party]


def _party_of(job: stoker.Job, deployment: Deployment) -> Party:
    worker = job.status().worker or ""
    return next(party for party in deployment.workers if party.main and f"-{party.main.pid}@" in worker)
