"""Waiting for very many jobs at once, and trying jobs again from the command line."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

import stoker
from stoker.cli import app
from stoker.cli.moments import moment
from stoker.ledger import records
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S

LATER = stoker.Train(model="later", data="sample://digits", not_before=datetime(2100, 1, 1, tzinfo=UTC))
MANY = 3_000


def cancel(redis_url: str, jobs: list[stoker.Job[stoker.TrainResult]]) -> None:
    connection = Connection.open(Settings(), redis_url)
    for job in jobs:
        connection.run(records.cancel(job.id))
    connection.close()


def test_thousands_of_jobs_are_waited_for_without_a_thread(redis_url: str) -> None:
    with stoker.Client(redis_url) as client:
        jobs = client.submit_many([LATER] * MANY)
        before = threading.active_count()
        canceller = threading.Thread(target=cancel, args=(redis_url, jobs[:-1]))
        canceller.start()
        ended = client.as_completed(jobs, timeout=PATIENCE_S)
        ids = [next(ended).id for _ in jobs[:-1]]
        assert threading.active_count() <= before + 1
        canceller.join()
        assert sorted(ids) == sorted(job.id for job in jobs[:-1])
        with pytest.raises(stoker.Timeout, match=rf"1 of {MANY} jobs have not ended after 0\.1 s"):
            client.wait_all(jobs, timeout=0.1)
        jobs[-1].cancel()
        assert next(ended) is jobs[-1]
        assert next(ended, None) is None
        assert list(client.as_completed([*jobs[:3], jobs[0]])) == jobs[:3]

    async def of_asyncio() -> int:
        async with stoker.AsyncClient(redis_url) as client:
            handles = [await client.job(job.id) for job in jobs[:5]]
            assert await client.wait_all(handles, timeout=PATIENCE_S) == handles
            return len([job async for job in client.as_completed(handles)])

    assert asyncio.run(of_asyncio()) == 5


def test_a_job_whose_record_is_gone_is_no_reason_to_wait(redis_url: str) -> None:
    with stoker.Client(redis_url) as client:
        [job] = client.submit_many([LATER])
        client._connection.client.delete(f"stoker:job:{job.id}")
        with pytest.raises(stoker.JobNotFound, match="its record has expired"):
            client.wait_all([job], timeout=PATIENCE_S)


def test_the_command_line_tries_again_and_lists_by_time(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_REDIS_URL", redis_url)
    with stoker.Client(redis_url) as client:
        job = client.submit(LATER)
        job.cancel()
        first, second = (CliRunner().invoke(app, ["retry", job.id[:8], "--json"]) for _ in range(2))
        assert first.exit_code == 0, first
        again = json.loads(first.stdout)["id"]
        assert again == json.loads(second.stdout)["id"] != job.id
        assert client.job(again).state == "WAITING"
        assert "in place of" in CliRunner().invoke(app, ["retry", job.id]).stdout
        listed = json.loads(CliRunner().invoke(app, ["jobs", "--since", "1h", "--json"]).stdout)
        assert [status["id"] for status in listed] == [again, job.id]
        assert json.loads(CliRunner().invoke(app, ["jobs", "--until", "1h", "--json"]).stdout) == []


def test_a_time_on_the_command_line() -> None:
    ago = moment("--since", "2h")
    assert ago is not None
    assert abs(datetime.now(UTC) - timedelta(hours=2) - ago) < timedelta(minutes=1)
    assert moment("--since", "2026-01-31T08:00+01:00") == datetime(2026, 1, 31, 7, tzinfo=UTC)
    assert moment("--since", None) is None
    with pytest.raises(stoker.InvalidArgument, match="--since is a time such as 30m, 12h, 7d"):
        moment("--since", "yesterday")
