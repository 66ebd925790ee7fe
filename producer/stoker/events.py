"""Job states, and the typed events that tell a job's story."""

import re
from abc import ABC, abstractmethod
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from .models.manifest import Artifact
from .outages import OngoingOutage
from .terminal.printable import Encodable

# As the scripts tell a newer version's state from damage.
_NAME_OF_STATE = re.compile("[A-Z]{1,32}")


class JobState(StrEnum):
    """Where a job stands. The last four are final.

    A state that only a newer version has is read as a member of its name that is in no list of these, and not final.
    """

    WAITING = "WAITING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DEAD = "DEAD"

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self in FINAL

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not (isinstance(value, str) and _NAME_OF_STATE.fullmatch(value)):
            return None
        newer = str.__new__(cls, value)
        newer._name_ = newer._value_ = value
        return newer


FINAL = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.DEAD)


class _Event(BaseModel, ABC):
    """What every event carries once it is in the stream.

    Attributes:
        id: its place in the job's stream; `job.events(after=id)` goes on behind it.
        at: when it happened, UTC, by the Redis server's clock.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    id: str = ""
    at: datetime | None = None

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}  {self.words()}" if self.at else self.words()

    @abstractmethod
    def words(self) -> str:
        """The event in a few words, for people."""


class Waiting(_Event):
    """The job waits: for other jobs, for a time, or a little after a lost attempt (`reason` tells).

    Attributes:
        after: ids of the jobs that must succeed first.
        not_before: the time it waits for, UTC.
    """

    type: Literal["waiting"] = "waiting"
    after: tuple[str, ...] = ()
    not_before: datetime | None = None
    reason: str | None = None

    def words(self) -> str:
        until = f" until {self.not_before:%Y-%m-%d %H:%M:%S} UTC" if self.not_before else ""
        others = f" for {len(self.after)} other job(s)" if self.after else ""
        return f"waiting{others}{until}" + (f": {self.reason}" if self.reason else "")


class Queued(_Event):
    """The job lies on a queue, for the first time or again (`reason` tells why)."""

    type: Literal["queued"] = "queued"
    queue: str
    reason: str | None = None

    def words(self) -> str:
        return f"queued on {self.queue}" + (f": {self.reason}" if self.reason else "")


class Started(_Event):
    """A worker has claimed the job."""

    type: Literal["started"] = "started"
    worker: str
    attempt: int

    def words(self) -> str:
        return f"started by {self.worker}" + (f", attempt {self.attempt}" if self.attempt > 1 else "")


class Epoch(_Event):
    """One pass over the data is done.

    Attributes:
        epoch: 1 … epochs.
        metrics: loss, val_loss, accuracy, …
        rows_per_s: rows trained on per second in this epoch.
        eta_s: seconds left at this speed.
    """

    type: Literal["epoch"] = "epoch"
    epoch: int
    epochs: int
    metrics: dict[str, float]
    rows_per_s: float
    eta_s: float

    def words(self) -> str:
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        return f"epoch {self.epoch:>{len(str(self.epochs))}}/{self.epochs}  {metrics}"


class Progress(_Event):
    """How far a stage of the job is, in rows or steps of it.

    Attributes:
        stage: what is going on: "reading data", "training", "predicting", …
        done, total: in `unit`; total is None where it is not known yet.
        eta_s: seconds left at this speed; None where total is.
    """

    type: Literal["progress"] = "progress"
    stage: str
    done: int
    total: int | None = None
    unit: str = "rows"
    rows_per_s: float | None = None
    eta_s: float | None = None

    def words(self) -> str:
        return f"{self.stage}: {self.done}" + (f"/{self.total}" if self.total else "") + f" {self.unit}"


class Checkpoint(_Event):
    """A checkpoint was saved: `epoch` epochs and `step` steps of the next are behind it."""

    type: Literal["checkpoint"] = "checkpoint"
    epoch: int
    step: int
    artifact: Artifact

    def words(self) -> str:
        return f"checkpoint after epoch {self.epoch}, step {self.step}"


class Log(_Event):
    """A line that the job printed or logged."""

    type: Literal["log"] = "log"
    line: Encodable
    level: Literal["info", "warning", "error"] = "info"

    def words(self) -> str:
        return f"│ {self.line}"


class Finished(_Event):
    """The job has ended; the last event of every job.

    Attributes:
        reason: why, in one line, unless it succeeded.
    """

    type: Literal["finished"] = "finished"
    state: JobState
    reason: str | None = None

    def words(self) -> str:
        return str(self.state) + (f": {self.reason}" if self.reason else "")


class Other(_Event):
    """An event that this version cannot read: a newer one has sent it, or something else than Stoker.

    Attributes:
        name: the type that it says it is; "" if it does not say.
        fields: everything in it, as it came.
    """

    type: Literal["other"] = "other"
    name: str = ""
    fields: dict[str, Any] = Field(default_factory=dict)

    def words(self) -> str:
        return f"an event that this version of Stoker does not know: {self.name or 'unreadable'}"


Known = Annotated[
    Waiting | Queued | Started | Epoch | Progress | Checkpoint | Log | Finished, Field(discriminator="type")
]
Event = Known | Other
_KNOWN: TypeAdapter[Known] = TypeAdapter(Known)
_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def read_event(raw: bytes) -> Event:
    """An event from its JSON, as it stands in the job's stream."""
    try:
        return _KNOWN.validate_json(raw)
    except ValidationError:
        pass
    try:
        fields = _FIELDS.validate_json(raw)
    except ValidationError:
        return Other()
    return Other(name=str(fields.get("type", "")), fields=fields)


def _if_known(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """None in place of progress that only a newer version can read."""
    try:
        return read(value)
    except ValidationError:
        return None


class JobStatus(BaseModel):
    """A job at one moment.

    Attributes:
        queue: the Celery queue it was routed to, e.g. "cpu.train".
        parent: the id of the job that has asked for it; None for a job that a client has submitted.
        attempt: how many workers have claimed it so far.
        worker: the worker that has it, or had it last.
        last_event_at: when an attempt last told anything of it: its start, progress, a checkpoint, a line of output. A
            job that runs and has told nothing for long may hang: its slot renews the lease all the same.
        progress: the last `Epoch` or `Progress` event; None also where a newer version reports in another way.
        reason: why it ended, in one line, unless it succeeded; or why it waits, where no live worker can run it.
        outage: what is away that it waits for, why, and since when; None for a job that does not wait for such a thing.
            It costs the job no attempt; `cancel` ends it.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    id: str
    kind: str
    state: JobState
    queue: str
    model: str
    parent: str | None = None
    priority: str
    tags: dict[str, str] = Field(default_factory=dict)
    attempt: int = 0
    max_attempts: int = 1
    worker: str | None = None
    submitted_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    last_event_at: datetime | None = None
    cancel_requested: bool = False
    progress: Annotated[Epoch | Progress | None, Field(discriminator="type"), WrapValidator(_if_known)] = None
    reason: str | None = None
    outage: OngoingOutage | None = None
