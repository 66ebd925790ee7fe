"""When jobs start and end: foreseen from the ledger, and held against what comes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import stoker
from stoker import JobState
from stoker.fleet import topology
from stoker.ledger import attempts, foresight, intake, records
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection

from .simulated import SimulatedFleet, held
from .test_ledger import result_of
from .test_model_keeping import run


def test_most_jobs_start_and_end_when_it_was_foreseen(redis_url: str) -> None:
    fleet = SimulatedFleet(redis_url, slots=8, seed=5)
    fleet.load(110, per_s=0.36, foreseen=35)
    fleet.go()
    asked = [job for job in fleet.jobs.values() if job.eta]
    assert len(asked) == 35
    assert all(job.ended for job in fleet.jobs.values())
    for what in ("start", "end"):
        assert held(asked, what) >= 0.7
    waited = [job.eta for job in asked if job.eta and (job.eta.position or 0) > 1]
    assert waited
    assert "queued jobs before it, 8 slots; its time by" in max(eta.because for eta in waited if eta.position != 2)


@pytest.mark.slow
def test_of_500_mixed_jobs_nine_of_ten_start_and_end_when_it_was_foreseen(redis_url: str) -> None:
    fleet = SimulatedFleet(redis_url, slots=8, seed=1)
    fleet.load(600, per_s=0.36, foreseen=500)
    fleet.go()
    asked = [job for job in fleet.jobs.values() if job.eta]
    assert len(asked) == 500
    for what in ("start", "end"):
        assert 0.85 <= held(asked, what) <= 0.95


def test_a_job_that_nobody_runs_is_told_why(redis_url: str) -> None:
    with stoker.Client(redis_url) as client:
        eta = client.submit(stoker.Train(model="m", data="sample://digits")).eta()
        assert (eta.state, eta.start, eta.end) == (JobState.QUEUED, None, None)
        assert "no cpu worker is running" in eta.words()


def test_of_a_job_that_starts_or_ends_while_it_is_looked_at_it_is_not_said_that_its_turn_may_not_come(
    redis_url: str, connection: Connection
) -> None:
    with stoker.Client(redis_url) as client:
        job = client.submit(stoker.Train(model="m", data="sample://digits"))
        read_before = job.status()
        attempt = run(connection, job.id)
        assert client.etas([read_before])[job.id].because.startswith("its time by ")
        connection.run(attempts.succeed(attempt, result_of(), []))
        assert client.etas([read_before])[job.id].because == "it has only just started"


def test_jobs_that_wait_are_told_for_what(redis_url: str) -> None:
    spec = stoker.Train(model="m", data="sample://digits")
    with stoker.Client(redis_url) as client:
        first = client.submit(spec)
        second = client.submit(spec.model_copy(update={"after": (first.id,)}))
        later = client.submit(spec.model_copy(update={"not_before": datetime.now(UTC) + timedelta(days=1)}))
        etas = client.etas([second.id, later.id])
        assert {each.start for each in etas.values()} == {None}
        assert etas[second.id].because == f"it waits for job {first.id}"
        assert etas[later.id].because.startswith("it is to start no earlier than")
        first.pause()
        assert "paused" in first.eta().because
        first.cancel()
        assert first.eta().words() == "it has ended: it is CANCELLED"
        with pytest.raises(stoker.JobNotFound):
            client.etas(["nobody"])
        with pytest.raises(stoker.InvalidArgument, match="several"):
            client.etas("nobody")


def test_a_job_that_a_worker_has_run_says_when_it_was(client: stoker.Client) -> None:
    job = client.submit(stoker.Run("shop.jobs:tidy", {"what": ["a"]}, device="cpu"))
    job.result(timeout=60)
    eta = job.eta()
    assert eta.start is not None
    assert eta.end is not None
    assert eta.start.likely <= eta.end.likely


def test_both_clients_foresee_the_same(redis_url: str) -> None:
    async def asked(job_id: str) -> stoker.Eta:
        async with stoker.AsyncClient(redis_url) as client:
            return await (await client.job(job_id)).eta()

    with stoker.Client(redis_url) as client:
        job = client.submit(stoker.Train(model="m", data="sample://digits"))
        assert asyncio.run(asked(job.id)).because == job.eta().because


def test_a_look_reads_no_more_of_a_long_queue_than_it_may(
    redis_url: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foresight, "MOST_QUEUED", 40)
    with stoker.Client(redis_url) as client:
        jobs = client.submit_many([stoker.Train(model="m", data="sample://digits")] * 60)
        [line] = connection.run(foresight.look("cpu")).lines
        assert (len(line.jobs), line.unread) == (40, 20)
        assert "more than 40 jobs are queued" in jobs[-1].eta().because


def test_jobs_of_another_fleet_take_no_slots_of_this_one(connection: Connection) -> None:
    spec = stoker.Train(model="m", data="sample://digits")
    connection.run(intake.submit([NewJob(name, spec, f"{name}.train") for name in ("cpu", "gpu")]))
    for name in ("cpu", "gpu"):
        connection.run(records.cancel(name))
    for name in topology.DEVICES[:2]:
        assert [job.id for job in connection.run(foresight.look(name)).ended] == [name]
