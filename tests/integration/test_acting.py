"""Acting on all jobs that match, and submitting jobs again; on a real server, without a worker."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

import stoker
from stoker import JobState
from stoker.client.many import Filters
from stoker.events import Log
from stoker.ledger import attempts, pauses
from stoker.ledger.attempt import Attempt
from stoker.settings import Settings

from .. import commands

TRAIN = stoker.Train(model="digits", data="sample://digits", epochs=3)
MANY = 1_200


def tagged(team: str) -> stoker.Train:
    return TRAIN.model_copy(update={"tags": {"team": team}})


@pytest.fixture
def client(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[stoker.Client]:
    monkeypatch.setenv("STOKER_REDIS_URL", redis_url)
    with stoker.Client(settings=Settings(redis_url=redis_url)) as client:
        yield client


def test_all_that_match_are_acted_on_page_by_page_and_nothing_else(client: stoker.Client) -> None:
    client.submit_many([tagged("x")] * MANY)
    other = client.submit(tagged("y"))
    gone = client.jobs(limit=5, tags={"team": "x"})
    for status in gone[:2]:
        client.job(status.id).cancel()
    found = client.matching("pause", tags={"team": "x"})
    assert (found.count, len(found.examples)) == (MANY - 2, 3)
    assert client.pause_many(tags={"team": "x"}).done == MANY - 2
    assert client.paused().jobs == MANY - 2
    assert len(client.jobs(paused=True, limit=MANY)) == MANY - 2
    with pytest.raises(stoker.InvalidArgument, match="paused is True"):
        client.jobs(paused="yes")  # type: ignore[arg-type]
    assert client.matching("resume", tags={"team": "x"}).count == MANY - 2
    assert client.resume_many(model="digits").done == MANY - 2
    assert client.cancel_many(tags={"team": "x"}, state="QUEUED", kind="train").done == MANY - 2
    assert client.cancel_many(tags={"team": "x"}).done == 0
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert client.matching("cancel", until=an_hour_ago).count == 0
    assert client.matching("cancel", since=an_hour_ago).count == 1
    assert other.state is JobState.QUEUED
    nothing: list[Filters] = [{}, {"tags": {}}, {"state": None}]
    for filters in nothing:
        with pytest.raises(stoker.InvalidArgument, match="name at least one of state, kind, model, tags"):
            client.cancel_many(**filters)


def test_what_cannot_be_paused_is_counted_with_the_reason_and_what_has_ended_is_no_error(client: stoker.Client) -> None:
    free, brief = client.submit_many([tagged("x"), TRAIN.model_copy(update={"tags": {"team": "x"}, "priority": "low"})])
    client._run(attempts.claim(brief.id, "owner", "worker", 60))
    client._connection.client.hset(f"stoker:job:{brief.id}", "keeps_nothing", 1)
    acted = client.pause_many(tags={"team": "x"})
    assert (acted.done, acted.refused, acted.ended) == (1, 1, 0)
    assert "keeps no checkpoint" in acted.reasons[0]
    assert client.cancel_many(tags={"team": "x"}).done == 2
    with pytest.raises(stoker.InvalidJob, match="is CANCELLED"):
        client._run(pauses.pause(free.id))


def test_a_job_is_submitted_again_with_changes_and_names_where_it_came_from(client: stoker.Client) -> None:
    first = client.submit(TRAIN)
    later = client.submit(TRAIN.model_copy(update={"after": (first.id,), "seed": 4}))
    later.cancel()
    again = client.resubmit(later.id, epochs=20, **{"checkpoint.steps": 7})
    spec = again.spec()
    assert isinstance(spec, stoker.Train)
    assert (spec.epochs, spec.seed, spec.checkpoint.steps, spec.after) == (20, 4, 7, ())
    assert again.status().resubmits == later.id
    assert again.state is JobState.QUEUED
    for changes in ({"epoch": 20}, {"epochs": -1}, {"kind": "nothing"}):
        with pytest.raises(stoker.InvalidJob):
            client.resubmit(later.id, **changes)
    with pytest.raises(stoker.InvalidArgument, match="names a field within epochs, which has none"):
        client.resubmit(later.id, **{"epochs.first": 1})
    with pytest.raises(stoker.JobNotFound):
        client.resubmit("nobody")


def test_all_that_ended_without_success_are_submitted_again(client: stoker.Client) -> None:
    jobs = client.submit_many([tagged("x")] * 3)
    for job in jobs[:2]:
        job.cancel()
    acted = client.resubmit_many({"epochs": 5}, tags={"team": "x"})
    assert acted.done == len(acted.ids) == 2
    assert {client.job(job_id).status().resubmits for job_id in acted.ids} == {job.id for job in jobs[:2]}
    acted = client.resubmit_many({"epochs": "many"}, tags={"team": "x"})
    assert (acted.done, acted.refused) == (0, 2)
    assert "epochs" in acted.reasons[0]


def test_the_async_client_does_the_same(client: stoker.Client) -> None:
    async def story() -> None:
        async with stoker.AsyncClient(settings=client.settings) as other:
            job = await other.submit(tagged("x"))
            assert await job.logs() == []
            await job.pause()
            assert (await other.paused()).jobs == 1
            await job.resume()
            assert (await other.matching("cancel", tags={"team": "x"})).count == 1
            assert (await other.pause_many(tags={"team": "x"})).done == 1
            assert (await other.resume_many(tags={"team": "x"})).done == 1
            assert (await other.cancel_many(tags={"team": "x"})).done == 1
            again = await other.resubmit(job.id, epochs=2)
            assert (await again.status()).resubmits == job.id
            assert (await other.resubmit_many({"epochs": 2}, tags={"team": "x"})).done == 1
            await other.pause_queue("cpu.train")
            await other.pause_tenant("a")
            assert set((await other.paused()).queues) == {"cpu.train"}
            await other.resume_queue("cpu.train")
            await other.resume_tenant("a")
            with pytest.raises(stoker.InvalidArgument, match=r"there is no queue .cpu\.trian."):
                await other.pause_queue("cpu.trian")

    asyncio.run(story())


def test_the_command_line_says_how_many_it_would_be_and_acts_with_yes(client: stoker.Client) -> None:
    jobs = client.submit_many([tagged("x")] * 3)
    asked = commands.run("cancel", "--tag", "team=x", "--state", "queued")
    assert asked.returncode == 2
    assert "Cancel 3 jobs, such as " in asked.stderr
    assert "give --yes to do it" in asked.stderr
    told = commands.run("pause", "--tag", "team=x", "--yes")
    assert told.stdout == "3 jobs are paused\n"
    listed = commands.run("jobs").stdout
    assert listed.count("paused since 20") == 3
    assert commands.run("jobs", "--paused").stdout.count("paused since 20") == 3
    assert len(json.loads(commands.run("jobs", "--paused", "--since", "1h", "--json").stdout)) == 3
    assert commands.run("resume", "--until", "1h", "--yes").stdout == "0 jobs are resumed\n"
    assert json.loads(commands.run("resume", "--since", "1h", "--yes", "--json").stdout)["done"] == 3
    assert commands.run("cancel", "--tag", "team=x", "--yes").stdout == "3 jobs are cancelled\n"
    refused = commands.run("cancel", jobs[0].id, "--tag", "team=x", "--yes")
    assert "not both" in refused.stderr
    again = commands.run("resubmit", jobs[0].id, "--set", "epochs=20", "--json")
    assert json.loads(again.stdout)["resubmits"] == jobs[0].id
    assert commands.run("resubmit", "--tag", "team=x", "--yes").stdout == "3 jobs are submitted again\n"


def test_a_no_at_the_terminal_leaves_all_as_it_is_and_where_none_match_nothing_is_asked(client: stoker.Client) -> None:
    job = client.submit(tagged("x"))
    terminal, theirs = os.openpty()
    for answer in (b"n\n", b"\x04"):
        os.write(terminal, answer)
        command = (sys.executable, "-m", "stoker.cli", "cancel", "--tag", "team=x")
        asked = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=240, check=False)
        assert (asked.returncode, asked.stdout.strip()) == (1, "")
        assert asked.stderr.startswith(f"Cancel 1 job, such as {job.id[:8]} (train digits, QUEUED)? [y/N]")
        assert "Traceback" not in asked.stderr
    assert job.state is JobState.QUEUED
    assert commands.run("cancel", "--tag", "team=y").stdout == "0 jobs are cancelled\n"
    assert commands.run("cancel", "--tag", "team=x", "--yes").stdout == "1 job is cancelled\n"


def test_of_several_jobs_those_that_can_be_are_acted_on_and_the_others_are_named(client: stoker.Client) -> None:
    ended, free = client.submit_many([TRAIN, TRAIN])
    ended.cancel()
    told = commands.run("pause", ended.id, free.id)
    assert (told.returncode, told.stdout) == (2, f"{free.id} is WAITING, paused\n")
    assert f"error: job {ended.id} is CANCELLED" in told.stderr
    told = commands.run("resume", ended.id, free.id, "--json")
    refused, status = json.loads(told.stdout)
    assert (told.returncode, refused["error"], status["state"]) == (2, "InvalidJob", "QUEUED")


def test_the_command_line_pauses_jobs_queues_and_tenants_and_says_so_where_they_are_listed(
    client: stoker.Client,
) -> None:
    job = client.submit(TRAIN)
    assert commands.run("pause", job.id[:8]).stdout == f"{job.id} is WAITING, paused\n"
    assert commands.run("resume", job.id[:8]).stdout == f"{job.id} is QUEUED\n"
    told = commands.run("pause", "--queue", "cpu.train", "--tenant", "a").stdout
    assert told == "queue cpu.train is paused\ntenant 'a' is paused\n"
    document = json.dumps(TRAIN.model_dump(mode="json"))
    for command in (("submit", "-"), ("jobs",)):
        warned = commands.run(*command, stdin=document)
        assert warned.returncode == 0
        assert "queue cpu.train is paused since 20" in warned.stderr
    assert commands.run("resume", "--queue", "cpu.train", "--tenant", "a").returncode == 0
    assert commands.run("jobs").stderr == ""
    assert commands.run("resume", "--tenant", "aa").stdout == "tenant 'aa' was not paused\n"
    assert "there is no queue" in commands.run("pause", "--queue", "cpu").stderr


def test_what_a_job_printed_in_all_its_attempts_is_there_and_a_line_says_what_is_dropped_only_if_it_is(
    client: stoker.Client,
) -> None:
    job = client.submit(TRAIN)
    for number in (1, 2):
        attempt = client._run(attempts.claim(job.id, f"owner-{number}", "worker", 60))
        assert isinstance(attempt, Attempt)
        client._run(attempts.report(attempt, 60, [Log(line=f"line {n} of {number}") for n in range(400)]))
        client._run(attempts.release(attempt, "drained", "drained"))
    told = [f"line {n} of {number}" for number in (1, 2) for n in range(400)]
    told.insert(400, "… attempt 2 begins here …")
    assert job.logs() == told
    assert commands.run("logs", job.id[:8]).stdout.splitlines() == told
    job.cancel()
    assert commands.run("logs", job.id, "-f").stdout.splitlines() == told
    client._connection.client.xtrim(f"stoker:events:{job.id}", maxlen=100, approximate=False)
    first, *rest = job.logs()
    assert "what the job printed first is dropped" in first
    assert rest == told[-len(rest) :]
