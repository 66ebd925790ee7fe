"""Every argument of a client's methods is checked before anything is sent, in both clients alike."""

import asyncio
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import redis

import stoker

from .echo import echo_of, register

SPEC = stoker.Train(model="checked", data="sample://digits", device="cpu")
ROWS = np.zeros(2)
Use = Callable[[Any, Any], Any]


def refused(redis_url: str, use: Use) -> list[stoker.StokerError]:
    """What both clients raise for a use of client and job."""

    async def of_asyncio() -> stoker.StokerError:
        async with stoker.AsyncClient(redis_url) as client:
            job = await client.submit(SPEC)
            with pytest.raises(stoker.StokerError) as raised:  # noqa: PT012 - reading may be what raises
                # What is no coroutine is an async iterator.
                outcome: Any = use(client, job)
                await (outcome if inspect.isawaitable(outcome) else anext(outcome))
        return raised.value

    with stoker.Client(redis_url) as client:
        job = client.submit(SPEC)
        with pytest.raises(stoker.StokerError) as raised:  # noqa: PT012
            outcome = use(client, job)
            if inspect.isgenerator(outcome):
                next(outcome)
    return [raised.value, asyncio.run(of_asyncio())]


@pytest.mark.parametrize("timeout", [math.nan, math.inf, -math.inf, -1, -0.001, "30", None, True, [1], 1e300])
def test_a_timeout_is_a_number_of_seconds(redis_url: str, timeout: Any) -> None:
    register(redis_url)
    uses: list[Use] = [
        lambda client, job: client.infer("echo", ROWS, timeout=timeout),
        lambda client, job: client.infer_many("echo", ROWS, timeout=timeout),
        lambda client, job: client.infer_later("echo", ROWS, timeout=timeout),
    ]
    if timeout is not None:
        uses += [lambda client, job: job.wait(timeout), lambda client, job: job.result(timeout)]
    for use in uses:
        for error in refused(redis_url, use):
            assert type(error) is stoker.InvalidArgument
            assert error.message.startswith("timeout must be")


@pytest.mark.parametrize(
    ("use", "error", "says"),
    [
        (lambda c, j: c.infer("echo", ROWS, priority="urgent"), stoker.InvalidArgument, "priority='urgent' is unknown"),
        (lambda c, j: c.infer("echo", ROWS, priority="hihg"), stoker.InvalidArgument, "did you mean 'high'?"),
        (lambda c, j: c.infer_many("echo", ROWS, priority=3), stoker.InvalidArgument, "priority=3 is unknown"),
        (lambda c, j: c.infer_later("echo", ROWS, priority=None), stoker.InvalidArgument, "priority=None"),
        (lambda c, j: c.infer(7, ROWS), stoker.InvalidArgument, "a model reference is text"),
        (lambda c, j: c.infer(["echo"], ROWS), stoker.InvalidArgument, "a model reference is text"),
        (lambda c, j: c.infer("Echo!", ROWS), stoker.ModelNotFound, "is no model reference"),
        (lambda c, j: c.infer("echo", "text"), stoker.InvalidJob, "rows"),
        (lambda c, j: c.infer("echo", None), stoker.InvalidJob, "rows"),
        (lambda c, j: c.infer("echo", [[1], [1, 2]]), stoker.InvalidJob, "rows of one shape"),
        (lambda c, j: c.infer("echo", [object()]), stoker.InvalidJob, "x"),
        (lambda c, j: c.infer_many("echo", {"x": [1.0], "y": "a"}), stoker.InvalidJob, "'y' is one value"),
        (lambda c, j: c.jobs(state="faild"), stoker.InvalidArgument, "did you mean 'FAILED'?"),
        (lambda c, j: c.jobs(state=3), stoker.InvalidArgument, "state=3 is unknown"),
        (lambda c, j: c.jobs(state=stoker.JobState("BROKEN")), stoker.InvalidArgument, "state='BROKEN' is unknown"),
        (lambda c, j: c.jobs(kind="trian"), stoker.InvalidArgument, "did you mean 'train'?"),
        (lambda c, j: c.jobs(limit=0), stoker.InvalidArgument, "limit must be a whole number from 1"),
        (lambda c, j: c.jobs(limit=-5), stoker.InvalidArgument, "limit must be"),
        (lambda c, j: c.jobs(limit=10**9), stoker.InvalidArgument, "limit must be"),
        (lambda c, j: c.jobs(limit=True), stoker.InvalidArgument, "limit must be"),
        (lambda c, j: c.jobs(limit="all"), stoker.InvalidArgument, "limit must be"),
        (lambda c, j: c.jobs(model=5), stoker.InvalidArgument, "a model reference is text"),
        (lambda c, j: c.jobs(tags="tenant"), stoker.InvalidArgument, "tags must be a dict"),
        (lambda c, j: c.jobs(tags={"tenant": 1}), stoker.InvalidArgument, "tags must be a dict"),
        (lambda c, j: c.jobs(before=5), stoker.InvalidArgument, "a job's id is text"),
        (lambda c, j: c.job(5), stoker.InvalidArgument, "a job's id is text"),
        (lambda c, j: c.job(""), stoker.JobNotFound, "no job has the id"),
        (lambda c, j: c.job("a b\n"), stoker.JobNotFound, "no job has the id"),
        (lambda c, j: c.model(None), stoker.InvalidArgument, "a model reference is text"),
        (lambda c, j: c.submit({"kind": "train"}), stoker.InvalidArgument, "a job is a spec such as"),
        (lambda c, j: c.submit(None), stoker.InvalidArgument, "a job is a spec such as"),
        (lambda c, j: c.submit_many(SPEC), stoker.InvalidArgument, "for one job use submit"),
        (lambda c, j: c.submit_many([SPEC, 7]), stoker.InvalidArgument, "a job is a spec such as"),
        (lambda c, j: c.submit(SPEC, idempotency_key=""), stoker.InvalidArgument, "1 to 256 printable"),
        (lambda c, j: c.submit(SPEC, idempotency_key=5), stoker.InvalidArgument, "1 to 256 printable"),
        (lambda c, j: c.submit(SPEC.model_copy(update={"epochs": 0})), stoker.InvalidJob, "epochs"),
        (lambda c, j: j.events(after="x"), stoker.InvalidArgument, "after must be the id of an event"),
        (lambda c, j: j.events(after=5), stoker.InvalidArgument, "after must be"),
        (lambda c, j: j.events(after="1-2-3"), stoker.InvalidArgument, "after must be"),
        (lambda c, j: j.events(after=f"{2**64}-0"), stoker.InvalidArgument, "after must be"),
    ],
)  # fmt: skip
def test_an_argument_that_cannot_be_is_refused(
    redis_url: str, use: Use, error: type[stoker.StokerError], says: str
) -> None:
    register(redis_url)
    for raised in refused(redis_url, use):
        assert type(raised) is error
        assert says in raised.message


def test_what_was_refused_leaves_nothing_behind(redis_url: str) -> None:
    register(redis_url)
    with redis.Redis.from_url(redis_url) as server, stoker.Client(redis_url) as client:
        before = set(server.scan_iter())
        with pytest.raises(stoker.InvalidArgument):
            client.infer("echo", ROWS, priority="urgent")  # type: ignore[arg-type]
        assert set(server.scan_iter()) == before


def test_what_numpy_and_callers_write_is_taken(redis_url: str) -> None:
    with echo_of(redis_url), stoker.Client(redis_url) as client:
        assert client.infer("echo", [1.0], timeout=np.float64(30), priority="high") == [1]
        job = client.submit(SPEC)
        with pytest.raises(stoker.Timeout):
            job.wait(timeout=0)
        assert client.jobs(state="queued")[0].id == client.jobs(kind="TRAIN")[0].id == job.id
        assert client.jobs(stoker.JobState.QUEUED, "train", 1)[0].id == job.id
