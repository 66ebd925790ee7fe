"""The asyncio client: `Client`, as coroutines and async iterators."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from ..events import JobState
from ..kinds import Priority, Result
from ..kinds.result import JobResult
from ..lanes.aio import AsyncLaneClient
from ..ledger import presence, records, registry
from ..local import redis_url_of
from ..models.manifest import ModelVersion
from ..models.prediction import Prediction
from ..models.predictions import predictions
from ..models.tensors import Outputs, encode_tensors, joined_rows
from ..redis.connection import AsyncConnection
from ..redis.scopes import PerLoop
from ..settings import Settings
from ..status import JobStatus
from . import arguments, inference, registering
from .acting import AsyncActCalls
from .alarms import AsyncAlarmCalls
from .async_job import AsyncJob
from .choosing import AsyncChoiceCalls
from .completion import AsyncCompletionCalls
from .explaining import AsyncExplainCalls
from .files import AsyncFileCalls
from .listening import AsyncListener
from .model_keeping import AsyncModelKeepingCalls
from .pausing import AsyncPauseCalls
from .scheduling import AsyncScheduleCalls
from .submitting import AsyncSubmitCalls
from .tables import Rows

R = TypeVar("R", bound=JobResult)


class AsyncClient(
    AsyncActCalls,
    AsyncAlarmCalls,
    AsyncChoiceCalls,
    AsyncCompletionCalls,
    AsyncExplainCalls,
    AsyncFileCalls,
    AsyncModelKeepingCalls,
    AsyncPauseCalls,
    AsyncScheduleCalls,
    AsyncSubmitCalls,
):
    """`Client` for asyncio: the same methods, arguments and errors.

    Any number of tasks may share a client. Each event loop that uses it, at once or one after the other, gets its own
    connections; `close` closes those of the running loop. Threads may share it if each has its own loop. Forks and
    pickles are as for `Client`.
    """

    def __init__(self, redis_url: str | None = None, *, settings: Settings | None = None) -> None:
        arguments = {} if redis_url is None else {"redis_url": redis_url}
        self.settings = settings or Settings(**arguments)
        self._connection = self._open()
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

    async def job(self, job_id: str) -> AsyncJob[Result]:
        """See `Client.job`."""
        await self._run(records.status(arguments.job_id(job_id)))
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
        since: datetime | None = None,
        until: datetime | None = None,
        paused: bool = False,
        before: str | None = None,
    ) -> list[JobStatus]:
        """See `Client.jobs`."""
        search = arguments.search(state, kind, model, tags, parent, since, until, paused)
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
        return await self._run(registry.versions())

    async def model(self, ref: str) -> ModelVersion:
        """See `Client.model`."""
        return await self._run(registry.resolve(arguments.model_ref(ref)))

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
        ready = await self._drive_in_threads(registering.uploaded(spec, self.settings.store))
        result = await (await self.submit(ready)).result(timeout)
        return await self.model(result.gives_model() or name)

    async def workers(self) -> list[presence.Worker]:
        """See `Client.workers`."""
        return await self._run(presence.workers())

    def _open(self) -> AsyncConnection:
        return AsyncConnection.open(self.settings, redis_url_of(self.settings), patience_s=self.settings.patience_s)

    def _job(self, job_id: str) -> AsyncJob[Any]:
        return AsyncJob(self._connection, self._listener, job_id, self.settings.store)

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


def _expire(answers: Iterable[asyncio.Future[Answered]], call: inference.InferCall) -> None:
    """Raise `Timeout` in the first answer that has not come, which is the one awaited."""
    if unanswered := next((answer for answer in answers if not answer.done()), None):
        unanswered.set_exception(inference.unanswered(call))
