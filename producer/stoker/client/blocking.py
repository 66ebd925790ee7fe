"""The blocking client: submit jobs, follow them, infer. Safe to share between threads."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from ..events import JobState
from ..kinds import Result
from ..kinds.result import JobResult
from ..lanes.blocking import LaneClient
from ..ledger import presence, records, registry
from ..local import redis_url_of
from ..models.manifest import ModelVersion
from ..redis.connection import Connection
from ..redis.scopes import PerProcess
from ..settings import Settings
from ..status import JobStatus
from . import arguments, inference, registering
from .acting import ActCalls
from .alarms import AlarmCalls
from .auditing import AuditCalls
from .choosing import ChoiceCalls
from .completion import CompletionCalls
from .explaining import ExplainCalls
from .exporting import ExportCalls
from .feedback import FeedbackCalls
from .files import FileCalls
from .fleets import FleetCalls
from .foreseeing import ForesightCalls
from .guarding import GuardCalls
from .job import Job
from .listening import Listener
from .model_keeping import ModelKeepingCalls
from .pausing import PauseCalls
from .placement import Seen
from .predicting import PredictCalls
from .scheduling import ScheduleCalls
from .stored import StoredCalls
from .submitting import SubmitCalls
from .using import UsageCalls
from .webhooks import WebhookCalls

R = TypeVar("R", bound=JobResult)


class Client(
    ActCalls,
    AlarmCalls,
    AuditCalls,
    ChoiceCalls,
    CompletionCalls,
    ExplainCalls,
    ExportCalls,
    FeedbackCalls,
    FileCalls,
    FleetCalls,
    ForesightCalls,
    GuardCalls,
    ModelKeepingCalls,
    PauseCalls,
    PredictCalls,
    ScheduleCalls,
    StoredCalls,
    SubmitCalls,
    UsageCalls,
    WebhookCalls,
):
    """Everything an app does with Stoker, over one Redis.

    One client serves a whole program: any number of threads may share it and its jobs. After a fork (gunicorn
    --preload, multiprocessing, Celery's prefork pool) parent and children may use it, and jobs made before, as if each
    had made its own; threads that waited at that moment go on in the parent only. It cannot be pickled: a spawned
    process makes its own. It blocks: in an event loop use `AsyncClient`.

    While Redis is away, a call is retried for `settings.patience_s`, a second by default, and then raises
    `Unavailable`; waiting for a job or a prediction is retried until its timeout.

    Args:
        redis_url: None takes STOKER_REDIS_URL, else the local server of `stoker up`.
        settings: replace those of the environment and stoker.toml.

    Raises:
        Unavailable: no server is configured.
        InvalidSettings: the settings are wrong.
        ClientClosed: from every method, after `close`.
        InvalidArgument: from every method, for an argument of a wrong type or size; nothing is sent.
    """

    def __init__(self, redis_url: str | None = None, *, settings: Settings | None = None) -> None:
        arguments = {} if redis_url is None else {"redis_url": redis_url}
        self.settings = settings or Settings(**arguments)
        self._connection = self._open()
        self._lanes = PerProcess(partial(LaneClient, self._connection))
        self._listener = PerProcess(partial(Listener, self._connection))
        self._seen = Seen()
        self._models = inference.ModelCache()

    def __reduce__(self) -> str:
        raise TypeError("a Client cannot be pickled: make one in the process that needs it")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close this process' connections; jobs go on. Other threads that still wait get `ClientClosed`."""
        self._lanes.get().close()
        self._listener.get().close()
        self._connection.close()

    def job(self, job_id: str) -> Job[Result]:
        """A job submitted before.

        Raises:
            JobNotFound: no job has this id.
        """
        self._run(records.status(arguments.job_id(job_id)))
        return self._job(job_id)

    def jobs(
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
        """List jobs, the newest first.

        For the next page, give the id of the last job of this one as `before`.

        Args:
            state, kind: only jobs in this state, of this kind; in any case.
            limit: the most to list, up to 10,000.
            model: only jobs of this model: "digits" for all its versions, "digits@3" for that one.
            tags: only jobs that have all of these tags.
            parent: only jobs that the job with this id has asked for; they are in no other list.
            since, until: only jobs submitted at this time or later, and before this one, by the server's clock.
            paused: only jobs that are paused, or are about to be.
            before: only jobs submitted before the job with this id.

        Raises:
            InvalidArgument: no state or kind has this name, and suggests a similar one; or a time has no time zone.
            JobNotFound: no job has the id `before`.
        """
        search = arguments.search(state, kind, model, tags, parent, since, until, paused)
        return self._drive(records.search(search, arguments.limit(limit), arguments.job_id_or_none(before)))

    def models(self) -> list[ModelVersion]:
        """All versions of all models, by name, the newest version first."""
        return self._run(registry.versions())

    def model(self, ref: str) -> ModelVersion:
        """The version behind "name" (its champion), "name@3", "name@alias" or "name@latest".

        Raises:
            ModelNotFound: no version has this reference.
            Untrusted: `trusted_keys` is set, and no worker among them has signed it.
        """
        return self._run(registry.resolve(arguments.model_ref(ref), self._check_version))

    def register(
        self,
        name: str,
        source: registering.ModelPath,
        *,
        timeout: float | None = None,
        **said: Unpack[registering.Said],
    ) -> ModelVersion:
        """Register a model that was made elsewhere: .keras, SavedModel, LiteRT or ONNX. See docs/import.md.

        A file of this machine is put into the store; workers read a URL themselves. A job (`stoker.Import`) checks the
        file before anything opens it, reads off what the model takes and gives, and tries it. This waits for the job.

        Args:
            source: a path, a folder with a SavedModel, or a URL.
            timeout: seconds to wait for the job, which goes on after them; None for ever.
            said: metrics, classes, inputs, outputs, task, target, … override what is read off the model.

        Raises:
            InvalidArgument, InvalidJob: an argument is wrong, or there is no such file.
            JobFailed: the file is refused, or cannot be served; says why.
            Timeout: the job has not ended in time.
            Unavailable: Redis or the store cannot be reached.
        """
        spec = registering.import_spec(name, source, said)
        ready = self._drive(registering.uploaded(spec, self.settings.store_place))
        result = self.submit(ready).result(timeout)
        return self.model(result.gives_model() or name)

    def workers(self) -> list[presence.Worker]:
        """The live workers: those with a heartbeat in the last seconds."""
        return self._run(presence.workers())

    def _open(self) -> Connection:
        return Connection.open(self.settings, redis_url_of(self.settings), patience_s=self.settings.patience_s)

    def _job(self, job_id: str) -> Job[Any]:
        return Job(self._connection, self._listener, job_id, self.settings)
