"""The asyncio client: what `Client` does, as coroutines and async iterators, within one event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from . import inference, ledger, registry, submission
from .artifacts import ModelVersion
from .connection import AsyncConnection, Steps
from .errors import Timeout
from .events import Event, Finished, JobState, JobStatus
from .following import Deadline, Follower
from .jobs import Priority, Result, Spec
from .lanes import later, push
from .lanes.aio import Answer, AsyncSwitchboard
from .lanes.exchange import lane_full
from .local import redis_url_of
from .settings import Settings
from .tensors import Array, encode_tensors
from .tracing import submitting

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio: the same methods, arguments and errors."""

    def __init__(self, redis_url: str | None = None, *, settings: Settings | None = None) -> None:
        arguments = {} if redis_url is None else {"redis_url": redis_url}
        self.settings = settings or Settings(**arguments)
        url = redis_url_of(self.settings)
        self._connection = AsyncConnection.open(self.settings, url, patience_s=self.settings.patience_s)
        self._switchboard = AsyncSwitchboard(self._connection)
        self._known = inference.Known()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; jobs go on."""
        await self._switchboard.close()
        await self._connection.close()

    async def submit(self, spec: Spec, *, idempotency_key: str | None = None) -> "AsyncJob":
        """See `Client.submit`."""
        with submitting(1):
            [job_id] = await self._drive(submission.submit([spec], idempotency_key))
        return AsyncJob(self._connection, job_id)

    async def submit_many(self, specs: Iterable[Spec]) -> "list[AsyncJob]":
        """See `Client.submit_many`."""
        listed = list(specs)
        with submitting(len(listed)):
            ids = await self._drive(submission.submit(listed))
        return [AsyncJob(self._connection, job_id) for job_id in ids]

    async def job(self, job_id: str) -> "AsyncJob":
        """See `Client.job`."""
        await self._connection.run(ledger.status(job_id))
        return AsyncJob(self._connection, job_id)

    async def jobs(self, state: JobState | None = None, kind: str | None = None, limit: int = 100) -> list[JobStatus]:
        """See `Client.jobs`."""
        return await self._connection.run(ledger.query([kind] if kind else None, [state] if state else None, limit))

    async def infer(
        self,
        model: str,
        inputs: ArrayLike | dict[str, ArrayLike],
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
    ) -> Array:
        """See `Client.infer`."""
        tensors = inference.tensors_of(inputs)
        queue = await self._drive(self._known.admit(model, tensors))
        return (await self._predict(model, queue, priority, [encode_tensors(tensors)], timeout))[0]

    async def infer_many(
        self, model: str, rows: ArrayLike, *, timeout: float = 30.0, priority: Priority = "normal"
    ) -> Array:
        """See `Client.infer_many`."""
        array = inference.rows_of(rows)
        queue = await self._drive(self._known.admit(model, array))
        return np.concatenate(await self._predict(model, queue, priority, inference.parts(array), timeout))

    async def infer_later(
        self,
        model: str,
        inputs: ArrayLike | dict[str, ArrayLike],
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
    ) -> str:
        """See `Client.infer_later`."""
        tensors = inference.tensors_of(inputs)
        queue = await self._drive(self._known.admit(model, tensors))
        result_id, asked = later.request(model, queue, priority, timeout, encode_tensors(tensors))
        [full_at] = await self._connection.run(push([asked]))
        if full_at is not None:
            raise lane_full(model, full_at)
        return result_id

    async def models(self) -> list[ModelVersion]:
        """See `Client.models`."""
        return await self._connection.run(registry.versions())

    async def model(self, ref: str) -> ModelVersion:
        """See `Client.model`."""
        return await self._connection.run(registry.resolve(ref))

    async def workers(self) -> list[ledger.Worker]:
        """See `Client.workers`."""
        return await self._connection.run(ledger.workers())

    async def _predict(
        self, model: str, queue: str, priority: Priority, requests: list[bytes], timeout: float
    ) -> list[Array]:
        asked = self._switchboard.ask(model, queue, priority, timeout, requests)
        # A bare timer is cheaper than `asyncio.timeout`, and there is one for each call.
        expiry = asyncio.get_running_loop().call_later(timeout, _expire, asked.values(), model, timeout)
        try:
            return [inference.outputs(await answer) for answer in asked.values()]
        finally:
            expiry.cancel()
            self._switchboard.forget(asked)

    async def _drive(self, steps: Steps[T]) -> T:
        answer = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # StopIteration is not generic
            answer = await self._connection.run(call)


def _expire(answers: Iterable[Answer], model: str, timeout_s: float) -> None:
    """Tell the first that has none, which is the one awaited, that no answer came in time."""
    if late := next((answer for answer in answers if not answer.done()), None):
        late.set_exception(inference.unanswered(model, timeout_s))


class AsyncJob:
    """`Job` for asyncio; what is an attribute there and asks Redis is a coroutine here."""

    def __init__(self, connection: AsyncConnection, job_id: str) -> None:
        self._connection = connection
        self.id = job_id

    def __repr__(self) -> str:
        return f"AsyncJob({self.id!r})"

    async def state(self) -> JobState:
        """Where the job stands now."""
        return (await self.status()).state

    async def status(self) -> JobStatus:
        """See `Job.status`."""
        return await self._connection.run(ledger.status(self.id))

    async def spec(self) -> Spec:
        """See `Job.spec`."""
        return await self._connection.run(ledger.spec(self.id))

    def events(self, after: str | None = None) -> AsyncIterator[Event]:
        """See `Job.events`."""
        return self._events(after, Deadline(None, self._connection.patience_s))

    async def wait(self, timeout: float | None = None) -> JobState:
        """See `Job.wait`."""
        return await self._wait(timeout, Deadline(timeout, self._connection.patience_s))

    async def result(self, timeout: float | None = None) -> Result:
        """See `Job.result`."""
        deadline = Deadline(timeout, self._connection.patience_s)
        ready = await self._connection.run(ledger.result(self.id), patience_s=deadline.patience_s())
        if ready is None:
            await self._wait(timeout, deadline)
            ready = await self._connection.run(ledger.result(self.id), patience_s=deadline.patience_s())
        assert ready is not None, "a job that ended without an error has a result"
        return ready

    async def cancel(self) -> None:
        """See `Job.cancel`."""
        await self._connection.run(ledger.cancel(self.id))

    async def _wait(self, timeout: float | None, deadline: Deadline) -> JobState:
        async for event in self._events(None, deadline):
            if isinstance(event, Finished):
                return event.state
        status = await self.status()
        if status.state.final:
            return status.state
        raise Timeout(submission.late(status, timeout or 0))

    async def _events(self, after: str | None, deadline: Deadline) -> AsyncIterator[Event]:
        follower = Follower(self.id, after, deadline, self._connection.longest_block_s)
        while call := follower.next_call():
            for event in follower.take(await self._connection.run(call, patience_s=deadline.patience_s())):
                yield event
