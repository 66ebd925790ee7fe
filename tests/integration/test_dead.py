"""`stoker dead`: what an operator sees of jobs that were given up, and does with them."""

import json
import subprocess
from typing import Any

import pytest

import stoker
from stoker import JobState
from stoker.events import Log
from stoker.ledger import attempts, dead_jobs, intake, records
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import commands

SPEC = stoker.Train(model="digits", data="sample://digits", max_attempts=1)


@pytest.fixture
def connection(redis_url: str) -> Connection:
    return Connection.open(Settings(), redis_url)


def dead(redis_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.run("dead", *arguments, env={"STOKER_REDIS_URL": redis_url})


def dead_as_json(redis_url: str, *arguments: str) -> Any:
    return json.loads(dead(redis_url, *arguments, "--json").stdout)


def given_up(connection: Connection, job_id: str) -> str:
    """A job that has lost its only worker."""
    connection.run(intake.submit([NewJob(job_id, SPEC, "cpu.train")]))
    attempt = connection.run(attempts.claim(job_id, "one", "cpu-1@node-7", 15))
    assert isinstance(attempt, Attempt)
    connection.run(attempts.report(attempt, 15, [Log(line="[bold]about to[/] run out of memory")]))
    connection.run(attempts.release(attempt, "lost", "its process was killed by SIGKILL"))
    return job_id


def state(connection: Connection, job_id: str) -> JobState:
    return connection.run(records.status(job_id)).state


@pytest.mark.parametrize("junk", ["junk", "{}", "7", b"\xff"])
def test_an_attempt_that_cannot_be_read_hides_no_other(
    connection: Connection, redis_url: str, junk: str | bytes
) -> None:
    job_id = given_up(connection, "11111111-0000-0000-0000-000000000001")
    connection.client.lpush(f"stoker:history:{job_id}", junk)
    connection.client.rpush(f"stoker:history:{job_id}", junk)
    [attempt] = connection.run(dead_jobs.history(job_id))
    assert attempt.worker == "cpu-1@node-7"


def test_the_list_tells_why_and_the_history_tells_who_when_and_the_last_log_lines(
    connection: Connection, redis_url: str
) -> None:
    job_id = given_up(connection, "11111111-0000-0000-0000-000000000001")
    told = dead(redis_url, "list").stdout
    assert job_id[:8] in told
    assert "gave up after 1 lost workers; the last: its process was killed by SIGKILL" in told

    told = dead(redis_url, "list", "--history").stdout
    assert "attempt 1 on cpu-1@node-7" in told
    assert "lost" in told or "DEAD" in told
    assert "│ [bold]about to[/] run out of memory" in told

    [job] = dead_as_json(redis_url, "list")
    [attempt] = job["history"]
    assert (job["id"], job["state"]) == (job_id, "DEAD")
    assert attempt["worker"] == "cpu-1@node-7"
    assert attempt["log"] == "[bold]about to[/] run out of memory"
    assert attempt["started_at"] <= attempt["ended_at"]


def test_a_dead_job_is_requeued_by_the_first_characters_of_its_id(connection: Connection, redis_url: str) -> None:
    one = given_up(connection, "11111111-0000-0000-0000-000000000001")
    other = given_up(connection, "22222222-0000-0000-0000-000000000002")
    assert dead_as_json(redis_url, "requeue", "1111") == {"requeued": [one]}
    assert state(connection, one) is JobState.QUEUED
    assert state(connection, other) is JobState.DEAD


def test_a_dead_job_is_dropped_by_its_whole_id(connection: Connection, redis_url: str) -> None:
    job_id = given_up(connection, "11111111-0000-0000-0000-000000000001")
    assert dead(redis_url, "drop", job_id).returncode == 0
    with pytest.raises(stoker.JobNotFound):
        state(connection, job_id)


@pytest.mark.parametrize(("action", "done"), [("requeue", "requeued"), ("drop", "dropped")])
def test_all_dead_jobs_at_once(connection: Connection, redis_url: str, action: str, done: str) -> None:
    ids = [given_up(connection, f"{n:08}-0000-0000-0000-000000000000") for n in range(3)]
    assert sorted(dead_as_json(redis_url, action, "--all")[done]) == ids
    assert dead_as_json(redis_url, "list") == []
    assert dead_as_json(redis_url, action, "--all") == {done: []}


def test_a_job_that_is_not_dead_is_left_alone(connection: Connection, redis_url: str) -> None:
    job_id = "11111111-0000-0000-0000-000000000001"
    connection.run(intake.submit([NewJob(job_id, SPEC, "cpu.train")]))
    refused = dead(redis_url, "drop", job_id)
    assert refused.returncode == 2
    assert "is QUEUED, not DEAD" in refused.stderr
    assert state(connection, job_id) is JobState.QUEUED


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["requeue"], 2, "name one job or give --all"),
        (["drop", "1111", "--all"], 2, "name one job or give --all"),
        (["requeue", "3333"], 1, "have an id that starts with '3333'"),
        (["requeue", "00000000-0000-0000-0000-000000000000"], 1, "no job has the id"),
    ],
)
def test_what_it_cannot_do_it_says_in_one_line(redis_url: str, arguments: list[str], status: int, told: str) -> None:
    refused = dead(redis_url, *arguments)
    assert refused.returncode == status
    assert told in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_two_dead_jobs_that_begin_alike_need_more_of_the_id(connection: Connection, redis_url: str) -> None:
    for n in range(2):
        given_up(connection, f"11111111-0000-0000-0000-00000000000{n}")
    refused = dead(redis_url, "requeue", "1111")
    assert refused.returncode == 1
    assert "2 of the newest 1000 dead jobs" in refused.stderr
