"""What a schedule does when a moment has come: one step of it, from its state to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile
from typing import Protocol
from uuid import UUID, uuid5

from .schedule import LATE_S, JobSchedule, ScheduleState, may_start, next_recent
from .times import Times

# Of those that were missed, so many are looked at in one step, and so many are started one after the other.
_LOOK = 10_000
MOST_CAUGHT_UP = 100
_IDS = UUID("5f6b3f0e-6c0c-4c43-9d55-0f6f5c0f5a11")


class RaisedAlarm(Protocol):
    """An alarm, as the ledger has it; later ones have later ids."""

    @property
    def id(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def what(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        state: what it leads to, but for what it starts.
        starts_at: the time, or that of the alarm, for which jobs are to be submitted; None for none.
        why: the alarm in words.
        alarm: its id; "" for a time.
    """

    state: ScheduleState
    starts_at: datetime | None = None
    why: str | None = None
    alarm: str = ""


def next_step(
    schedule: JobSchedule, state: ScheduleState, now: datetime, alarms: Sequence[RaisedAlarm] = ()
) -> Step | None:
    """The next step of a schedule; None if there is nothing to do. There may be another behind it.

    Args:
        alarms: those behind its cursor, in order.
    """
    if state.paused:
        return None
    if times := schedule.times:
        due = state.next_at
        return _at_times(schedule, times, state, due, now) if due and due <= now else None
    return _on_alarms(schedule, state, now, alarms) if alarms else None


def job_ids(schedule: JobSchedule, at: datetime, alarm: str = "") -> list[str]:
    """The ids of the jobs of one start: whoever submits them, they are the same; those of two alarms are not."""
    start = f"{schedule.name} {schedule.created_at.isoformat()} {alarm or at.isoformat()}"
    return [str(uuid5(_IDS, f"{start} {number}")) for number in range(len(schedule.jobs))]


def _at_times(schedule: JobSchedule, times: Times, state: ScheduleState, due: datetime, now: datetime) -> Step:
    missed = [due, *islice(takewhile(lambda time: time <= now, times.after(due)), _LOOK)]
    if len(missed) > _LOOK:
        return Step(_moved(state, missed[-1], len(missed) - 1))
    if schedule.catch_up == "all" and len(missed) > 1:
        oldest = max(0, len(missed) - MOST_CAUGHT_UP)
        return Step(_moved(state, missed[oldest + 1], oldest), missed[oldest])
    newest = missed[-1]
    after = next(times.after(newest))
    if schedule.catch_up == "none" and (now - newest).total_seconds() > LATE_S:
        return Step(_moved(state, after, len(missed)))
    return Step(_moved(state, after, len(missed) - 1), newest)


def _moved(state: ScheduleState, next_at: datetime, skipped: int) -> ScheduleState:
    return state.model_copy(update={"next_at": next_at, "skipped": state.skipped + skipped})


def _on_alarms(schedule: JobSchedule, state: ScheduleState, now: datetime, alarms: Sequence[RaisedAlarm]) -> Step:
    wanted, skipped = schedule.alarm, 0
    for alarm in alarms:
        if (alarm.what, alarm.model.partition("@")[0]) != wanted:
            continue
        if not may_start(schedule, state, now):
            skipped += 1
            continue
        fields = {"cursor": alarm.id, "skipped": state.skipped + skipped, "recent": next_recent(schedule, state, now)}
        return Step(state.model_copy(update=fields), alarm.at, alarm.text, alarm.id)
    return Step(state.model_copy(update={"cursor": alarms[-1].id, "skipped": state.skipped + skipped}))
