"""Finding jobs again: by state, kind, model and tags, page by page, in both clients and on the command line."""

import asyncio
import json
from itertools import dropwhile
from typing import Any

import pytest
import redis
from typer.testing import CliRunner

import stoker
from stoker.cli import app
from stoker.status import JobStatus

from .echo import register


def submit_all(client: stoker.Client) -> list[stoker.Job]:
    """Jobs of three models, two tenants and two kinds, the oldest first."""
    specs: list[Any] = []
    for n in range(30):
        tags = {"tenant": "blue" if n % 2 else "red", "night": "yes" if n % 3 == 0 else "no"}
        specs.append(stoker.Train(model=f"model{n % 3}", data="sample://digits", device="cpu", tags=tags))
    specs.append(stoker.Evaluate(model="echo", data="sample://digits", tags={"tenant": "blue"}))
    specs.append(stoker.Evaluate(model="echo@1", data="sample://digits"))
    return client.submit_many(specs)


def listed(redis_url: str, **filters: Any) -> list[JobStatus]:
    """What both clients list, which is the same."""

    async def of_asyncio() -> list[JobStatus]:
        async with stoker.AsyncClient(redis_url) as client:
            return await client.jobs(**filters)

    with stoker.Client(redis_url) as client:
        found = client.jobs(**filters)
    assert asyncio.run(of_asyncio()) == found
    return found


@pytest.fixture
def jobs(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> list[stoker.Job]:
    # So that more than one step is needed.
    monkeypatch.setattr("stoker.ledger.records._LOOK", 7)
    register(redis_url)
    with stoker.Client(redis_url) as client:
        return submit_all(client)


def test_jobs_are_found_by_model_and_tags(redis_url: str, jobs: list[stoker.Job]) -> None:
    ids = [job.id for job in reversed(jobs)]
    everything = listed(redis_url)
    assert [status.id for status in everything] == ids
    for filters, fits in (
        ({"model": "model1"}, lambda status: status.model == "model1"),
        ({"model": "echo"}, lambda status: status.model.startswith("echo")),
        ({"model": "echo@1"}, lambda status: status.model == "echo@1"),
        ({"model": "model"}, lambda status: False),
        ({"tags": {"tenant": "blue"}}, lambda status: status.tags.get("tenant") == "blue"),
        (
            {"tags": {"tenant": "blue", "night": "yes"}, "model": "model0", "kind": "Train", "state": "queued"},
            lambda status: status.tags.get("tenant") == "blue" and status.model == "model0",
        ),
        ({"tags": {"colour": "red"}}, lambda status: False),
        ({"kind": "evaluate"}, lambda status: status.kind == "evaluate"),
        ({"state": "Dead"}, lambda status: False),
    ):
        assert listed(redis_url, **filters) == [status for status in everything if fits(status)], filters


def test_pages_follow_each_other_without_gap_or_overlap(redis_url: str, jobs: list[stoker.Job]) -> None:
    for filters in ({}, {"tags": {"tenant": "blue"}}, {"model": "model2", "tags": {"night": "no"}}):
        whole, pages, before = listed(redis_url, **filters), [], None
        while page := listed(redis_url, **filters, limit=4, before=before):
            assert len(page) <= 4
            pages += page
            before = page[-1].id
        assert pages == whole


def test_jobs_of_all_states_are_listed_in_the_order_of_their_submission(redis_url: str, jobs: list[stoker.Job]) -> None:
    cancelled = range(4, 20, 3)
    with stoker.Client(redis_url) as client:
        for n in cancelled:
            client.job(jobs[n].id).cancel()
    ids = [job.id for job in reversed(jobs)]
    for limit in (1, 5, 6, 7, 8, 31, 32, 33):
        assert [status.id for status in listed(redis_url, limit=limit)] == ids[:limit]
    for tags, fits in (({}, cancelled), ({"tenant": "red"}, [n for n in cancelled if n % 2 == 0])):
        found = listed(redis_url, tags=tags, state="cancelled")
        assert [status.id for status in found] == [jobs[n].id for n in reversed(fits)]


def test_what_is_read_of_all_indexes_together_is_hardly_more_than_is_looked_at(
    redis_url: str, jobs: list[stoker.Job]
) -> None:
    with stoker.Client(redis_url) as client, redis.Redis.from_url(redis_url) as server, server.monitor() as monitor:
        for job in jobs[::2]:
            client.job(job.id).cancel()
        server.echo("listed now")
        assert client.jobs(model="none") == []
        server.echo("listed")
        commands = iter(lambda: monitor.next_command()["command"], "ECHO listed")
        listing = list(dropwhile(lambda command: command != "ECHO listed now", commands))
    steps = sum(command.startswith("EVAL") for command in listing)
    shares = [int(command.rpartition(" ")[2]) for command in listing if command.startswith("ZREVRANGEBYSCORE")]
    # There are four indexes, and at most two shares of two jobs more are read of each than are looked at.
    assert sum(shares) <= steps * (7 + 2 * 4 * 2)


def test_a_page_goes_on_behind_a_job_that_has_moved_to_another_state(redis_url: str, jobs: list[stoker.Job]) -> None:
    with stoker.Client(redis_url) as client:
        first = client.jobs(limit=5)
        client.job(first[-1].id).cancel()
        second = client.jobs(limit=5, before=first[-1].id)
        assert [status.id for status in first + second] == [job.id for job in reversed(jobs)][:10]
        with pytest.raises(stoker.JobNotFound, match="no job has the id 'gone'"):
            client.jobs(before="gone")


def test_a_damaged_record_hides_no_other(redis_url: str, jobs: list[stoker.Job]) -> None:
    with redis.Redis.from_url(redis_url) as server:
        server.hset(f"stoker:job:{jobs[3].id}", "tags", "junk")
        server.delete(f"stoker:job:{jobs[5].id}")
        server.set(f"stoker:job:{jobs[5].id}", "junk")
    expected = [job.id for n, job in reversed(list(enumerate(jobs[:30]))) if n % 2 and n not in (3, 5)]
    assert [status.id for status in listed(redis_url, kind="train", tags={"tenant": "blue"})] == expected


def test_the_command_line_filters_too(redis_url: str, jobs: list[stoker.Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_REDIS_URL", redis_url)

    def run(*words: str) -> Any:
        result = CliRunner().invoke(app, ["jobs", "--json", *words], catch_exceptions=False)
        return [status["id"] for status in json.loads(result.stdout)]

    def expected(**filters: Any) -> list[str]:
        return [status.id for status in listed(redis_url, **filters)]

    assert run("--tag", "tenant=blue", "--tag", "night=yes", "--model", "model0") == expected(
        tags={"tenant": "blue", "night": "yes"}, model="model0"
    )
    assert run("--kind", "Evaluate", "--state", "queued") == expected(kind="evaluate")
    assert run("--limit", "3", "--before", jobs[20].id) == [job.id for job in reversed(jobs[17:20])]
    with stoker.Client(redis_url) as client:
        etas = client.etas(client.jobs(limit=3))
        assert etas == {job.id: etas[job.id] for job in reversed(jobs[-3:])}
        client.job(jobs[0].id).cancel()
    shown = json.loads(CliRunner().invoke(app, ["jobs", "--json", "--limit", "100"], catch_exceptions=False).stdout)
    assert shown[0]["eta"]["because"] == etas[jobs[-1].id].because
    assert shown[-1]["eta"] is None
    with pytest.raises(stoker.InvalidArgument, match="a tag is NAME=VALUE"):
        run("--tag", "blue")
    with pytest.raises(stoker.InvalidArgument, match="did you mean 'train'"):
        run("--kind", "trian")
