"""What comes of the jobs of a test, as the test says it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..events import Event
from ..kinds.result import JobResult


@dataclass(frozen=True)
class Planned:
    """What comes of a job; made by `returns`, `fails` and `runs`.

    Attributes:
        events: what it sends before; None for those that jobs of its kind usually send.
        ends: whether it ends by itself.
        result: what it gives; None for a made-up result.
        fields: what replaces the fields of that.
        reason: why it fails; None if it does not.
        traceback: that of its own error.
    """

    events: tuple[Event, ...] | None = None
    ends: bool = True
    result: JobResult | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    traceback: str = ""


def returns(result: JobResult | None = None, *, events: Iterable[Event] | None = None, **fields: Any) -> Planned:
    """The job succeeds.

        returns(metrics={"accuracy": 0.93})

    Args:
        result: what it gives; None makes one up, by the job's kind and spec.
        events: what it sends while it runs.
        fields: what fields of the result shall be.
    """
    return Planned(_listed(events), result=result, fields=fields)


def fails(reason: str, *, traceback: str = "", events: Iterable[Event] | None = None) -> Planned:
    """The job is FAILED for this reason: `job.result()` raises `JobFailed` with it."""
    return Planned(_listed(events), reason=reason, traceback=traceback)


def runs(*, events: Iterable[Event] | None = None) -> Planned:
    """The job runs until it is cancelled, or the test ends it by `finish`."""
    return Planned(_listed(events), ends=False)


def _listed(events: Iterable[Event] | None) -> tuple[Event, ...] | None:
    return None if events is None else tuple(events)
