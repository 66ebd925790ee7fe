"""The asyncio client: `Client`, as coroutines and async iterators."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from ..events import JobState
from ..kinds import Result
from ..kinds.result import JobResult
from ..lanes.aio import AsyncLaneClient
from ..ledger import presence, records, registry
from ..local import redis_url_of
from ..models.manifest import ModelVersion
from ..redis.connection import AsyncConnection
from ..redis.scopes import PerLoop
from ..settings import Settings
from ..status import JobStatus
from . import arguments, inference, registering
from .acting import AsyncActCalls
from .alarms import AsyncAlarmCalls
from .async_job import AsyncJob
from .auditing import AsyncAuditCalls
from .choosing import AsyncChoiceCalls
from .completion import AsyncCompletionCalls
from .explaining import AsyncExplainCalls
from .exporting import AsyncExportCalls
from .feedback import AsyncFeedbackCalls
from .files import AsyncFileCalls
from .fleets import AsyncFleetCalls
from .foreseeing import AsyncForesightCalls
from .guarding import AsyncGuardCalls
from .listening import AsyncListener
from .model_keeping import AsyncModelKeepingCalls
from .pausing import AsyncPauseCalls
from .placement import Seen
from .predicting import AsyncPredictCalls
from .scheduling import AsyncScheduleCalls
from .stored import AsyncStoredCalls
from .submitting import AsyncSubmitCalls
from .using import AsyncUsageCalls
from .webhooks import AsyncWebhookCalls

R = TypeVar("R", bound=JobResult)


class AsyncClient(
    AsyncActCalls,
    AsyncAlarmCalls,
    AsyncAuditCalls,
    AsyncChoiceCalls,
    AsyncCompletionCalls,
    AsyncExplainCalls,
    AsyncExportCalls,
    AsyncFeedbackCalls,
    AsyncFileCalls,
    AsyncFleetCalls,
    AsyncForesightCalls,
    AsyncGuardCalls,
    AsyncModelKeepingCalls,
    AsyncPauseCalls,
    AsyncPredictCalls,
    AsyncScheduleCalls,
    AsyncStoredCalls,
    AsyncSubmitCalls,
    AsyncUsageCalls,
    AsyncWebhookCalls,
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
        self._seen = Seen()
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

    async def models(self) -> list[ModelVersion]:
        """See `Client.models`."""
        return await self._run(registry.versions())

    async def model(self, ref: str) -> ModelVersion:
        """See `Client.model`."""
        return await self._run(registry.resolve(arguments.model_ref(ref), self._check_version))

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
        ready = await self._drive_in_threads(registering.uploaded(spec, self.settings.store_place))
        result = await (await self.submit(ready)).result(timeout)
        return await self.model(result.gives_model() or name)

    async def workers(self) -> list[presence.Worker]:
        """See `Client.workers`."""
        return await self._run(presence.workers())

    def _open(self) -> AsyncConnection:
        return AsyncConnection.open(self.settings, redis_url_of(self.settings), patience_s=self.settings.patience_s)

    def _job(self, job_id: str) -> AsyncJob[Any]:
        return AsyncJob(self._connection, self._listener, job_id, self.settings)
