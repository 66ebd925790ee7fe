"""Schedules: which jobs are submitted, and when; and what has come of it so far."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ..errors import InvalidJob
from ..kinds import Spec, parse_spec
from ..kinds.base import Moment
from ..kinds.problems import short
from .times import EXAMPLES, Times, parse_times, some_after, times_of

CatchUp = Literal["latest", "none", "all"]
ScheduleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
MOST_JOBS = 50
# How late a start may be that still counts as in time: another controller takes the lead in seconds.
LATE_S = 60.0
_ALARM = re.compile(r"(?:on )?(?P<what>[a-z][a-z ]{0,30}?) of (?P<model>[A-Za-z0-9][A-Za-z0-9._-]{0,127})")
_DAY = timedelta(days=1)


class JobSchedule(BaseModel):
    """Which jobs are submitted, and when.

    Attributes:
        when: "0 3 * * *", "every 15m", or an alarm, such as "drift of digits".
        zone: the time zone in which cron's times are read.
        catch_up: which of the times that were missed because no controller ran: "latest" starts once for all, "none"
            for none that is more than a minute late, "all" for each, of the newest hundred.
        cool_down_s: of an alarm's, seconds after a start in which others start nothing.
        at_most: of an alarm's, how often it starts within 24 hours.
        jobs: the specs, as plain data; one may name an earlier one as "#0".
        created_at: when it was added; intervals count from then.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ScheduleName
    when: str = Field(max_length=256)
    zone: str = "UTC"
    catch_up: CatchUp = "latest"
    cool_down_s: float = Field(default=3600.0, ge=0, le=366 * 86_400)
    at_most: int = Field(default=2, ge=1, le=100)
    jobs: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=MOST_JOBS)
    created_at: Moment

    @property
    def times(self) -> Times | None:
        """When it starts; None if it waits for an alarm."""
        return times_of(self.when, self.zone, self.created_at)

    @property
    def alarm(self) -> tuple[str, str] | None:
        """What it waits for, and the name of the model that this is about; None if it starts at times."""
        match = _ALARM.fullmatch(" ".join(self.when.split()))
        return (match["what"], match["model"]) if match and not self.times else None

    @property
    def specs(self) -> list[Spec]:
        """The jobs.

        Raises:
            InvalidJob: a newer version has written one that this one does not know.
        """
        return [parse_spec(job) for job in self.jobs]

    def next_times(self, after: datetime, count: int) -> tuple[datetime, ...]:
        """The next so many times behind a moment; none if it waits for an alarm."""
        return some_after(self.times, after, count) if self.times else ()

    @model_validator(mode="after")
    def _starts_at_some_time(self) -> Self:
        if parse_times(self.when, self.zone, self.created_at) is None and self.alarm is None:
            raise InvalidJob(f"when={short(self.when)} is neither a time nor an alarm: write {EXAMPLES}")
        return self


class LastStart(BaseModel):
    """The newest start of a schedule.

    Attributes:
        at: the time that had come, or that of the alarm.
        jobs: the ids of the jobs that were submitted.
        why: the alarm in words; None for a time.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    at: datetime
    jobs: tuple[str, ...]
    why: str | None = None


class ScheduleState(BaseModel):
    """What has come of a schedule so far. Whatever changes, it is written anew, so that two who do so cannot both.

    Attributes:
        next_at: the next time; None if it waits for an alarm.
        cursor: the newest alarm that it has looked at.
        paused: since when; None if it is not.
        started, skipped: how many of its times have started jobs, and how many have not: missed, or too soon after
            another.
        recent: when it started last, of an alarm's.
        problem: why the newest start could not submit its jobs; None if it could.
    """

    # Of a newer version's, what this one does not know is kept.
    model_config = ConfigDict(frozen=True, extra="allow")

    next_at: datetime | None = None
    cursor: str = ""
    paused: datetime | None = None
    started: int = 0
    skipped: int = 0
    recent: tuple[datetime, ...] = ()
    last: LastStart | None = None
    problem: str | None = None


class ScheduleStatus(JobSchedule, ScheduleState):
    """A schedule, and what has come of it so far."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def status_of(schedule: JobSchedule, state: ScheduleState) -> ScheduleStatus:
    """A schedule with its state."""
    return ScheduleStatus(**dict(schedule), **{name: getattr(state, name) for name in ScheduleState.model_fields})


def begun(schedule: JobSchedule, now: datetime, newest_alarm: str, state: ScheduleState | None = None) -> ScheduleState:
    """The state of a schedule that begins now, or goes on after a pause: what has been before starts nothing."""
    following = schedule.next_times(now, 1)
    fields = {"next_at": following[0] if following else None, "cursor": newest_alarm, "paused": None}
    return (state or ScheduleState()).model_copy(update=fields)


def may_start(schedule: JobSchedule, state: ScheduleState, now: datetime) -> bool:
    """Whether an alarm may start jobs now: not within the cool-down, and not too often within 24 hours."""
    within_a_day = [at for at in state.recent if now - at < _DAY]
    is_cool = not state.recent or (now - max(state.recent)).total_seconds() >= schedule.cool_down_s
    return is_cool and len(within_a_day) < schedule.at_most


def next_recent(schedule: JobSchedule, state: ScheduleState, now: datetime) -> tuple[datetime, ...]:
    """When it has started last, with this start."""
    return (*state.recent, now)[-schedule.at_most :]
