"""Jobs that are identical to one that has succeeded: that one is given back."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

import stoker
from stoker import JobState, testing
from stoker.kinds.base import JobSpec
from stoker.ledger import attempts, damage, upkeep
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .test_ledger import claimed, result_of, version

TRAIN = stoker.Train(model="digits", data="sample://digits", epochs=2, seed=1)


@pytest.fixture
def client(redis_url: str) -> Iterator[stoker.Client]:
    with stoker.Client(redis_url) as client:
        yield client


def changed(spec: JobSpec, **fields: object) -> Any:
    return spec.model_copy(update=fields)


def trained(connection: Connection, job: stoker.Job[Any], number: int) -> None:
    """Let a job make a version."""
    made = version(number, job.id)
    connection.run(attempts.succeed(claimed(connection, job.id), result_of(made.ref), [made]))


def test_an_identical_job_that_has_succeeded_is_given_back(
    client: stoker.Client, connection: Connection, server: redis.Redis
) -> None:
    first = client.submit(TRAIN, reuse="identical")
    # What has not ended is nobody's result, and what was not submitted to be reused neither.
    second, other = client.submit(TRAIN, reuse="identical"), client.submit(TRAIN)
    assert len({first.id, second.id, other.id}) == 3
    trained(connection, first, 1)
    trained(connection, other, 2)

    again = client.submit(changed(TRAIN, tags={"by": "me"}, priority="high", timeout=60.0), reuse="identical")

    assert (again.id, again.state, again.result(timeout=1).model) == (first.id, JobState.SUCCEEDED, "digits@1")
    assert again.status().reused == 1
    assert "reused" in again._repr_html_()
    for different in (
        changed(TRAIN, seed=2),
        changed(TRAIN, epochs=3),
        changed(TRAIN, device="cpu"),
        changed(TRAIN, tags={"tenant": "blue"}),
        changed(TRAIN, data="sample://iris"),
    ):
        assert client.submit(different, reuse="identical").state is JobState.QUEUED
    # Who submits a job again wants another run; and what that makes is given back from then on.
    repeated = client.resubmit(first.id)
    assert repeated.id != first.id
    trained(connection, repeated, 3)
    assert client.submit(TRAIN, reuse="identical").id == repeated.id
    second.cancel()
    assert client.submit(TRAIN, reuse="identical").id == repeated.id
    # A version that was removed is not given back, nor is another one that has its number.
    client.remove_model("digits@3")
    assert client.submit(TRAIN, reuse="identical").state is JobState.QUEUED
    manifest = version(3, "another").model_dump_json(exclude={"version", "aliases", "note"})
    server.hset("stoker:model:digits", "3", manifest)
    assert client.submit(TRAIN, reuse="identical").state is JobState.QUEUED
    # Keys end with the records.
    for job in client.jobs():
        job_here = client.job(job.id)
        job_here.cancel()
    connection.run(upkeep.expire(0, 0))
    assert list(server.scan_iter("stoker:identical:*")) == []
    server.set("stoker:identical:lost", "nobody")
    assert connection.run(damage.repair(keys=10_000)).damages == ()
    assert not server.exists("stoker:identical:lost")


def test_an_alias_is_the_version_that_it_points_at() -> None:
    with testing.Client() as client:
        for _ in range(2):
            client.add_model("digits", inputs=["a"], classes=["x", "y"])
        infer = stoker.Infer(model="digits", data="sample://digits")
        first = client.submit(infer, reuse="identical")
        assert first.status().model == "digits@1"
        assert client.submit(changed(infer, model="digits@1"), reuse="identical").id == first.id
        client.alias_model("digits@2", "champion")
        assert client.submit(infer, reuse="identical").id != first.id


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (changed(TRAIN, seed=None), "needs a seed"),
        (changed(TRAIN, alias="champion"), "would not move the alias 'champion'"),
        (changed(TRAIN, metrics=("shop.scores:gain",)), "code of your own.*shop.scores:gain"),
        (stoker.Run("shop.handwriting:fit_digits"), "not for Run: what a function does"),
        (stoker.Import(model="other", source="https://models.example/m.keras"), "not for Import"),
    ],
)
def test_what_may_differ_is_refused(client: stoker.Client, connection: Connection, spec: Any, why: str) -> None:
    trained(connection, client.submit(TRAIN), 1)
    with pytest.raises(stoker.InvalidJob, match=f"reuse='identical' .*{why}"):
        client.submit(spec, reuse="identical")


def test_data_that_may_change_is_refused(client: stoker.Client, tmp_path: Any) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a,label\n" + "1,0\n2,1\n" * 20)
    with pytest.raises(stoker.InvalidJob, match=r"cannot change under their name, and .*rows\.csv"):
        client.submit(changed(TRAIN, data=str(table)), reuse="identical")
    with pytest.raises(stoker.InvalidJob, match="is one that a job is yet to make"):
        client.submit(changed(TRAIN, init_from=f"job:{client.submit(TRAIN).id}"), reuse="identical")
    with pytest.raises(stoker.InvalidJob, match="spec #1 has one"):
        client.submit_many([TRAIN, changed(TRAIN, reuse="identical")])
    with pytest.raises(stoker.InvalidJob, match="not by a schedule"):
        client.schedule("daily", changed(TRAIN, reuse="identical"), name="nightly")


def test_the_ledger_in_memory_gives_it_back() -> None:
    with testing.Client() as client:
        first = client.submit(TRAIN, reuse="identical")
        again = client.submit(TRAIN, reuse="identical")
        assert (again.id, again.status().reused) == (first.id, 1)
        assert client.submit(changed(TRAIN, seed=2), reuse="identical").id != first.id
        client.remove_model("digits")
        assert client.submit(TRAIN, reuse="identical").id != first.id


def test_a_worker_computes_once(stack: Settings) -> None:
    with stoker.Client(settings=stack) as client:
        describe = stoker.Describe(data="sample://iris")
        first = client.submit(describe, reuse="identical")
        found = first.result(timeout=120)
        again = client.submit(describe, reuse="identical")
        assert (again.id, again.state, again.result(timeout=1)) == (first.id, JobState.SUCCEEDED, found)
