"""The asyncio client: `Client`, as coroutines and async iterators."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Self, TypeVar, Unpack

from ..events import Event, Finished, JobState, JobStatus
from ..kinds import Priority, Result, Spec
from ..lanes.aio import AsyncLaneClient
from ..ledger import presence, records, registry
from ..local import redis_url_of
from ..models.manifest import ModelVersion
from ..models.predictions import Prediction, predictions
from ..models.tensors import Outputs, encode_tensors, joined_rows
from ..redis.calls import Steps
from ..redis.connection import AsyncConnection
from ..redis.scopes import PerLoop
from ..settings import Settings
from . import arguments, inference, registering, submission
from .following import Deadline, Follower, Pause, check_end, final_state
from .listening import AsyncListener
from .tables import Rows
from .tracing import submitting

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio: the same methods, arguments and errors.

    Any number of tasks may share a client. Each event loop that uses it, at once or one after the other, gets its own
    connections; `close` closes those of the running loop. Threads may share it if each has its own loop. Forks and
    pickles are as for `Client`.
    """

    def __init__(self, redis_url: str | None = None, *, settings: Settings | None = None) -> None:
        arguments = {} if redis_url is None else {"redis_url": redis_url}
        self.settings = settings or Settings(**arguments)
        url = redis_url_of(self.settings)
        self._connection = AsyncConnection.open(self.settings, url, patience_s=self.settings.patience_s)
        self._lanes = PerLoop(partial(AsyncLaneClient, self._connection))
        self._listener = PerLoop(partial(AsyncListener, self._connection))
        self._models = inference.ModelCache()

    def __reduce__(self) -> str:
        raise TypeError("an AsyncClient cannot be pickled: make one in the process that needs it")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close this event loop's connections; jobs go on. Other tasks that still wait get `ClientClosed`."""
        await self._lanes.get().close()
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
        await self._connection.run(records.status(arguments.job_id(job_id)))
        return self._job(job_id)

    async def jobs(
        self,
        state: JobState | str | None = None,
        kind: str | None = None,
        limit: int = 100,
        *,
        model: str | None = None,
        tags: Mapping[str, str] | None = None,
        parent: str | None = None,
        before: str | None = None,
    ) -> list[JobStatus]:
        """See `Client.jobs`."""
        search = arguments.search(state, kind, model, tags, parent)
        return await self._drive(records.search(search, arguments.limit(limit), arguments.job_id_or_none(before)))

    async def infer(self, model: str, inputs: Rows, *, timeout: float = 30.0, priority: Priority = "normal") -> Outputs:
        """See `Client.infer`."""
        call = await self._drive(self._models.call(model, inputs, timeout, priority))
        return (await self._answers(call, [encode_tensors(call.tensors)]))[0]

    async def infer_many(
        self, model: str, rows: Rows, *, timeout: float = 30.0, priority: Priority = "normal"
    ) -> Outputs:
        """See `Client.infer_many`."""
        call = await self._drive(self._models.call(model, rows, timeout, priority))
        return joined_rows(await self._answers(call, inference.encode_rows(call.tensors)))

    async def predict(
        self, model: str, rows: Rows, *, timeout: float = 30.0, priority: Priority = "normal"
    ) -> list[Prediction]:
        """See `Client.predict`."""
        version, call = await self._drive(self._models.call_of_version(model, rows, timeout, priority))
        outputs = await self._answers(call, inference.encode_rows(call.tensors))
        return predictions(version, joined_rows(outputs), call.given)

    async def infer_later(
        self, model: str, inputs: Rows, *, timeout: float = 30.0, priority: Priority = "normal"
    ) -> str:
        """See `Client.infer_later`."""
        return await self._drive(self._models.send_later(model, inputs, timeout, priority))

    async def models(self) -> list[ModelVersion]:
        """See `Client.models`."""
        return await self._connection.run(registry.versions())

    async def model(self, ref: str) -> ModelVersion:
        """See `Client.model`."""
        return await self._connection.run(registry.resolve(arguments.model_ref(ref)))

    async def register(
        self,
        name: str,
        source: registering.ModelPath,
        *,
        timeout: float | None = None,
        **said: Unpack[registering.Said],
    ) -> ModelVersion:
        """See `Client.register`."""
        spec = registering.import_spec(name, source, said)
        # It writes a file.
        ready = await asyncio.to_thread(registering.uploaded, spec, self.settings.store)
        result = await (await self.submit(ready)).result(timeout)
        return await self.model(result.gives_model() or name)

    async def workers(self) -> list[presence.Worker]:
        """See `Client.workers`."""
        return await self._connection.run(presence.workers())

    def _job(self, job_id: str) -> "AsyncJob":
        return AsyncJob(self._connection, self._listener, job_id)

    async def _answers(self, call: inference.InferCall, requests: list[bytes]) -> list[Outputs]:
        lanes = self._lanes.get()
        answers = lanes.send(call.model, call.queue, call.priority, call.timeout_s, requests)
        # A bare timer is cheaper than `asyncio.timeout`, and there is one for each call.
        expiry = asyncio.get_running_loop().call_later(call.timeout_s, _expire, answers.values(), call)
        try:
            return [inference.outputs(await answer) for answer in answers.values()]
        finally:
            expiry.cancel()
            lanes.forget(answers)
            for answer in answers.values():
                # The first error is raised; asyncio would log the others if nobody retrieved them.
                answer.cancel() or answer.cancelled() or answer.exception()

    async def _drive(self, steps: Steps[T]) -> T:
        result = None
        while True:
            try:
                call = steps.send(result)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # StopIteration is not generic
            result = await self._connection.run(call)


def _expire(answers: Iterable[asyncio.Future[bytes]], call: inference.InferCall) -> None:
    """Raise `Timeout` in the first answer that has not come, which is the one awaited."""
    if unanswered := next((answer for answer in answers if not answer.done()), None):
        unanswered.set_exception(inference.unanswered(call))


class AsyncJob:
    """`Job` for asyncio; attributes that would read from Redis are coroutines."""

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
        return await self._connection.run(records.status(self.id))

    async def spec(self) -> Spec:
        """See `Job.spec`."""
        return await self._connection.run(records.spec(self.id))

    def events(self, after: str | None = None) -> AsyncIterator[Event]:
        """See `Job.events`."""
        return self._events(arguments.event_id(after), self._deadline(None))

    async def wait(self, timeout: float | None = None) -> JobState:
        """See `Job.wait`."""
        return await self._wait(self._deadline(timeout))

    async def result(self, timeout: float | None = None) -> Result:
        """See `Job.result`."""
        deadline = self._deadline(timeout)
        while True:
            result = await self._connection.run(records.result(self.id), patience_s=deadline.patience_s())
            if result is not None:
                return result
            check_end(self.id, await self._wait(deadline))

    async def cancel(self) -> None:
        """See `Job.cancel`."""
        await self._connection.run(records.cancel(self.id))

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(arguments.timeout_or_none(timeout), self._connection.patience_s)

    async def _wait(self, deadline: Deadline) -> JobState:
        async for event in self._events(None, deadline):
            if isinstance(event, Finished):
                return event.state
        return final_state(await self.status(), deadline)

    async def _events(self, after: str | None, deadline: Deadline) -> AsyncIterator[Event]:
        follower = Follower(self.id, after, deadline, self._connection.longest_block_s)
        while step := follower.next_step():
            if isinstance(step, Pause):
                follower.waited(await self._listener.get().wait(self.id, step.after, step.seconds))
                continue
            for event in follower.take(await self._connection.run(step, patience_s=deadline.patience_s())):
                yield event
