"""The status of a job at one moment."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from .events import Epoch, JobState, Progress
from .outages import OngoingOutage


def _if_known(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """None for progress that only a newer version can read."""
    try:
        return read(value)
    except ValidationError:
        return None


class JobStatus(BaseModel):
    """The status of a job at one moment.

    Attributes:
        queue: its Celery queue, e.g. "cpu.train".
        summary: what it does, as Flower shows it: the function and its arguments, or the model and the data.
        parent: the id of the job that submitted it; None for a job that a client submitted.
        resubmits: the id of the job whose spec was submitted again with changes; None for none.
        reused: how many submits of identical jobs it was given back for; see `JobSpec.reuse`.
        attempt: how many workers have claimed it so far.
        worker: the worker that runs it, or ran it last.
        last_event_at: time of an attempt's last event: its start, progress, a checkpoint, a line of output. A running
            job without one for long may hang: its slot renews the lease all the same.
        paused: since when it is paused; None if it is not. While its state is RUNNING, it saves a checkpoint for it.
        progress: the last `Epoch` or `Progress` event; None also for progress that only a newer version can read.
        reason: why it ended, in one line, unless it succeeded; or why it waits, if no live worker can run it.
        outage: the outage that it waits for; None for none. It costs the job no attempt; `cancel` ends it.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    id: str
    kind: str
    state: JobState
    queue: str
    model: str
    summary: str = ""
    parent: str | None = None
    resubmits: str | None = None
    reused: int = 0
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
    paused: datetime | None = None
    progress: Annotated[Epoch | Progress | None, Field(discriminator="type"), WrapValidator(_if_known)] = None
    reason: str | None = None
    outage: OngoingOutage | None = None

    def _repr_html_(self) -> str:
        from .terminal.html import table  # what only notebooks need

        shown = {
            "job": self.id,
            "kind": self.kind,
            "model": self.model,
            "state": str(self.state),
            "queue": self.queue,
            "attempt": str(self.attempt) if self.attempt else "",
            "worker": self.worker or "",
            "submitted": f"{self.submitted_at:%Y-%m-%d %H:%M:%S} UTC",
            "reused": f"{self.reused} times" if self.reused else "",
            "progress": self.progress.words() if self.progress else "",
            "reason": self.reason or "",
            "tags": ", ".join(f"{name}={value}" for name, value in self.tags.items()),
        }
        return table(("", ""), ((name, value) for name, value in shown.items() if value))
