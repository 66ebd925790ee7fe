"""The asyncio client: what `Client` does, as coroutines and async iterators."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .. import ledger
from ..errors import Timeout
from ..events import Event, Finished, JobState, JobStatus
from ..kinds import Priority, Result, Spec
from ..lanes import later, push
from ..lanes.aio import Answer, AsyncSwitchboard
from ..lanes.exchange import lane_full
from ..ledger import registry
from ..local import redis_url_of
from ..models.manifest import ModelVersion
from ..models.tensors import Array, encode_tensors
from ..redis.connection import AsyncConnection, Steps
from ..redis.scopes import PerLoop
from ..settings import Settings
from . import arguments, inference, submission
from .following import Deadline, Follower, Pause, ended_as, late
from .listening import AsyncListener
from .tracing import submitting

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio: the same methods, arguments and errors.

    One client serves any number of tasks. Each event loop that uses it, also one after the other, gets connections of
    its own; `close` closes those of the loop that it is called in. Between threads it is shared only so: each with its
    loop. After a fork it serves the loops of parent and children, and it cannot be pickled, as `Client` says.
    """

    def __init__(self, redis_url: str | None = None, *, settings: Settings | None = None) -> None:
        arguments = {} if redis_url is None else {"redis_url": redis_url}
        self.settings = settings or Settings(**arguments)
        url = redis_url_of(self.settings)
        self._connection = AsyncConnection.open(self.settings, url, patience_s=self.settings.patience_s)
        self._switchboard = PerLoop(partial(AsyncSwitchboard, self._connection))
        self._listener = PerLoop(partial(AsyncListener, self._connection))
        self._known = inference.Known()

    def __reduce__(self) -> str:
        raise TypeError("an AsyncClient cannot be pickled: make one in the process that needs it")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close this event loop's connections; jobs go on. Whoever still waits in another task is told."""
        await self._switchboard.get().close()
        await self._listener.get().close()
        await self._connection.close()

    async def submit(self, spec: Spec, *, idempotency_key: str | None = None) -> "AsyncJob":
        """See `Client.submit`."""
        listed, key = [arguments.spec(spec)], arguments.idempotency_key(idempotency_key)
        with submitting(1):
            [job_id] = await self._drive(submission.submit(listed, key))
        return self._job(job_id)

    async def submit_many(self, specs: Iterable[Spec]) -> "list[AsyncJob]":
        """See `Client.submit_many`."""
        listed = arguments.specs(specs)
        with submitting(len(listed)):
            ids = await self._drive(submission.submit(listed))
        return [self._job(job_id) for job_id in ids]

    async def job(self, job_id: str) -> "AsyncJob":
        """See `Client.job`."""
        await self._connection.run(ledger.status(arguments.job_id(job_id)))
        return self._job(job_id)

    async def jobs(
        self,
        state: JobState | str | None = None,
        kind: str | None = None,
        limit: int = 100,
        *,
        model: str | None = None,
        tags: Mapping[str, str] | None = None,
        before: str | None = None,
    ) -> list[JobStatus]:
        """See `Client.jobs`."""
        wanted = arguments.search(state, kind, model, tags)
        return await self._drive(ledger.search(wanted, arguments.limit(limit), arguments.job_id_or_none(before)))

    async def infer(
        self,
        model: str,
        inputs: ArrayLike | dict[str, ArrayLike],
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
    ) -> Array:
        """See `Client.infer`."""
        order = inference.Order.checked(model, timeout, priority)
        tensors = inference.tensors_of(inputs)
        queue = await self._drive(self._known.admit(order.model, tensors))
        return (await self._predict(order, queue, [encode_tensors(tensors)]))[0]

    async def infer_many(
        self, model: str, rows: ArrayLike, *, timeout: float = 30.0, priority: Priority = "normal"
    ) -> Array:
        """See `Client.infer_many`."""
        order = inference.Order.checked(model, timeout, priority)
        array = inference.rows_of(rows)
        queue = await self._drive(self._known.admit(order.model, array))
        return np.concatenate(await self._predict(order, queue, inference.parts(array)))

    async def infer_later(
        self,
        model: str,
        inputs: ArrayLike | dict[str, ArrayLike],
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
    ) -> str:
        """See `Client.infer_later`."""
        order = inference.Order.checked(model, timeout, priority)
        tensors = inference.tensors_of(inputs)
        queue = await self._drive(self._known.admit(order.model, tensors))
        result_id, asked = later.request(order.model, queue, order.priority, order.timeout_s, encode_tensors(tensors))
        [full_at] = await self._connection.run(push([asked]))
        if full_at is not None:
            raise lane_full(order.model, full_at)
        return result_id

    async def models(self) -> list[ModelVersion]:
        """See `Client.models`."""
        return await self._connection.run(registry.versions())

    async def model(self, ref: str) -> ModelVersion:
        """See `Client.model`."""
        return await self._connection.run(registry.resolve(arguments.model_ref(ref)))

    async def workers(self) -> list[ledger.Worker]:
        """See `Client.workers`."""
        return await self._connection.run(ledger.workers())

    def _job(self, job_id: str) -> "AsyncJob":
        return AsyncJob(self._connection, self._listener, job_id)

    async def _predict(self, order: inference.Order, queue: str, requests: list[bytes]) -> list[Array]:
        switchboard = self._switchboard.get()
        asked = switchboard.ask(order.model, queue, order.priority, order.timeout_s, requests)
        # A bare timer is cheaper than `asyncio.timeout`, and there is one for each call.
        expiry = asyncio.get_running_loop().call_later(order.timeout_s, _expire, asked.values(), order)
        try:
            return [inference.outputs(await answer) for answer in asked.values()]
        finally:
            expiry.cancel()
            switchboard.forget(asked)
            for answer in asked.values():
                # An error that is not asked for would be logged: the first one is raised for all.
                answer.cancel() or answer.cancelled() or answer.exception()

    async def _drive(self, steps: Steps[T]) -> T:
        answer = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # StopIteration is not generic
            answer = await self._connection.run(call)


def _expire(answers: Iterable[Answer], order: inference.Order) -> None:
    """Tell the first that has none, which is the one awaited, that no answer came in time."""
    if unanswered := next((answer for answer in answers if not answer.done()), None):
        unanswered.set_exception(inference.unanswered(order.model, order.timeout_s))


class AsyncJob:
    """`Job` for asyncio; what is an attribute there and asks Redis is a coroutine here."""

    def __init__(self, connection: AsyncConnection, listener: PerLoop[AsyncListener], job_id: str) -> None:
        self._connection = connection
        self._listener = listener
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
        return self._events(arguments.event_id(after), Deadline(None, self._connection.patience_s))

    async def wait(self, timeout: float | None = None) -> JobState:
        """See `Job.wait`."""
        timeout = arguments.timeout_or_none(timeout)
        return await self._wait(timeout, Deadline(timeout, self._connection.patience_s))

    async def result(self, timeout: float | None = None) -> Result:
        """See `Job.result`."""
        timeout = arguments.timeout_or_none(timeout)
        deadline = Deadline(timeout, self._connection.patience_s)
        while True:
            ready = await self._connection.run(ledger.result(self.id), patience_s=deadline.patience_s())
            if ready is not None:
                return ready
            ended_as(self.id, await self._wait(timeout, deadline))

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
        raise Timeout(late(status, timeout or 0))

    async def _events(self, after: str | None, deadline: Deadline) -> AsyncIterator[Event]:
        follower = Follower(self.id, after, deadline, self._connection.longest_block_s)
        while step := follower.next_step():
            if isinstance(step, Pause):
                follower.waited(await self._listener.get().wait(self.id, step.after, step.seconds))
                continue
            for event in follower.take(await self._connection.run(step, patience_s=deadline.patience_s())):
                yield event
