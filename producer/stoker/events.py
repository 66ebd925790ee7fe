"""Job states and events."""

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
)

from .models.manifest import Artifact
from .terminal.printable import Encodable

# A newer version's state looks like this; the scripts take anything else for damage.
_NAME_OF_STATE = re.compile("[A-Z]{1,32}")


class JobState(StrEnum):
    """The state of a job. The last five are final.

    A state that only a newer version has is read as a member of that name, which is not listed and not final.
    """

    WAITING = "WAITING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DEAD = "DEAD"
    PRUNED = "PRUNED"

    @property
    def final(self) -> bool:
        """Whether the state can no longer change."""
        return self in FINAL

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not (isinstance(value, str) and _NAME_OF_STATE.fullmatch(value)):
            return None
        newer = str.__new__(cls, value)
        newer._name_ = newer._value_ = value
        return newer


OPEN = (JobState.WAITING, JobState.QUEUED, JobState.RUNNING)
FINAL = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.DEAD, JobState.PRUNED)


class _Event(BaseModel, ABC):
    """The base of all events.

    Attributes:
        id: its position in the job's stream: `job.events(after=id)` gives the events after it.
        at: when it was sent, UTC, by the Redis server's clock.
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
    """The job waits: for other jobs, for a time, or a little after a lost attempt (see `reason`).

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
    """The job is on a queue, for the first time or again (see `reason`)."""

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
    """An epoch has ended.

    Attributes:
        epoch: 1 … epochs; those are None where a function of the user's does not say how many there will be.
        metrics: loss, val_loss, accuracy, …
        rows_per_s: rows trained on per second in this epoch; None where their number is not known.
        eta_s: seconds left at this speed; None while the number of epochs is unknown.
    """

    type: Literal["epoch"] = "epoch"
    epoch: int
    epochs: int | None = None
    metrics: dict[Encodable, float]
    rows_per_s: float | None = None
    eta_s: float | None = None

    @property
    def place(self) -> str:
        """Which epoch it is, of how many if that is known."""
        if self.epochs is None:
            return f"epoch {self.epoch}"
        return f"epoch {self.epoch:>{len(str(self.epochs))}}/{self.epochs}"

    def words(self) -> str:
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        return f"{self.place}  {metrics}"


class Progress(_Event):
    """The progress of a stage of the job.

    Attributes:
        stage: "reading data", "training", "predicting", …
        done, total: in `unit`; total is None while it is unknown.
        eta_s: seconds left at this speed; None while total is unknown.
    """

    type: Literal["progress"] = "progress"
    stage: Encodable
    done: int
    total: int | None = None
    unit: Encodable = "rows"
    rows_per_s: float | None = None
    eta_s: float | None = None

    def words(self) -> str:
        return f"{self.stage}: {self.done}" + (f"/{self.total}" if self.total else "") + f" {self.unit}"


class Checkpoint(_Event):
    """A checkpoint was saved, after `epoch` epochs and `step` steps of the next one.

    Attributes:
        signed: who has signed it; "" for nobody.
    """

    type: Literal["checkpoint"] = "checkpoint"
    epoch: int
    step: int
    artifact: Artifact
    signed: str = ""

    def words(self) -> str:
        return f"checkpoint after epoch {self.epoch}, step {self.step}"


class Log(_Event):
    """A line that the job printed or logged."""

    type: Literal["log"] = "log"
    line: Encodable
    level: Literal["info", "warning", "error"] = "info"

    def words(self) -> str:
        return f"│ {self.line}"


class ModelAlarm(_Event):
    """The job has raised an alarm about a model, which `client.alarms()` gives, too.

    Attributes:
        what: "drift" or "performance".
        text: what was found, in a sentence.
        figures: what was measured, by name.
        once: tells a repeat of the same alarm.
    """

    type: Literal["alarm"] = "alarm"
    what: Encodable
    model: str
    text: Encodable
    figures: dict[Encodable, float] = Field(default_factory=dict)
    once: str

    def words(self) -> str:
        return f"{self.what}: {self.text}"


class WindowTested(_Event):
    """A window of requests was held against the reference.

    Attributes:
        number: of the window, from 1 on.
        rows: how many it has.
        differs: the columns that differ in it; what does in two windows running raises an alarm.
    """

    type: Literal["window"] = "window"
    number: int
    model: str
    rows: int
    differs: tuple[Encodable, ...] = ()

    def words(self) -> str:
        found = f"{', '.join(self.differs)} differ" if self.differs else "as the reference"
        return f"window {self.number}: {self.rows} rows of {self.model}, {found}"


class Finished(_Event):
    """The job has ended; the last event of every job.

    Attributes:
        reason: one line, unless it succeeded.
    """

    type: Literal["finished"] = "finished"
    state: JobState
    reason: str | None = None

    def words(self) -> str:
        return str(self.state) + (f": {self.reason}" if self.reason else "")


class Other(_Event):
    """An event that this version cannot read: a newer version has sent it, or something else than Stoker.

    Attributes:
        name: its type; "" if it has none.
        fields: all its fields.
    """

    type: Literal["other"] = "other"
    name: str = ""
    fields: dict[str, Any] = Field(default_factory=dict)

    def words(self) -> str:
        return f"an event that this version of Stoker does not know: {self.name or 'unreadable'}"


KnownEvent = Annotated[
    Waiting | Queued | Started | Epoch | Progress | Checkpoint | Log | ModelAlarm | WindowTested | Finished,
    Field(discriminator="type"),
]
Event = KnownEvent | Other
_KNOWN: TypeAdapter[KnownEvent] = TypeAdapter(KnownEvent)
_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def read_event(raw: bytes) -> Event:
    """Decode an event of a job's stream."""
    try:
        return _KNOWN.validate_json(raw)
    except ValidationError:
        pass
    try:
        fields = _FIELDS.validate_json(raw)
    except ValidationError:
        return Other()
    return Other(name=str(fields.get("type", "")), fields=fields)
