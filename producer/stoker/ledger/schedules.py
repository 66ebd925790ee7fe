"""Schedules in the ledger: what each is, in one hash, and what has come of it so far, in another.

A state changes by one script alone, and only if it is still what was read. So of two who take a step of a schedule,
one does: the controllers that start its jobs, or who pauses it meanwhile. The jobs come in in the same step. Who finds
that another was first reads anew.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidJob, Unavailable
from ..redis.calls import Call
from ..schedules.schedule import JobSchedule, ScheduleState
from .intake import NewJob, encoded, refuse
from .keys import key
from .readable import readable
from .scripts import iso_now, script

MOST = 1000


@dataclass(frozen=True)
class Changed:
    """What came of a change.

    Attributes:
        was_first: whether it was made; not if somebody else has changed the schedule since it was read.
        busy: the id of a job that has not ended, for which no other was started; None if there is none.
        refused: why its jobs were not taken in; None if they were.
        is_full: whether there are as many schedules as there may be.
    """

    was_first: bool = False
    busy: str | None = None
    refused: str | None = None
    is_full: bool = False


def states() -> Call[dict[str, bytes]]:
    """The state of every schedule, as JSON, by name."""
    return Call(("HGETALL", key("schedule_states")), _by_name)


def documents() -> Call[dict[str, bytes]]:
    """What every schedule is, as JSON, by name."""
    return Call(("HGETALL", key("schedules")), _by_name)


def document(name: str) -> Call[bytes | None]:
    """What a schedule is, as JSON; None if there is none."""
    return Call(("HGET", key("schedules"), name), lambda answer: answer)


def state(name: str) -> Call[bytes | None]:
    """A schedule's state, as JSON; None if there is none."""
    return Call(("HGET", key("schedule_states"), name), lambda answer: answer)


def read_schedule(raw: bytes | None) -> JobSchedule | None:
    """A schedule from its JSON; None if there is none, or none of ours."""
    # Its times are checked as those of one that is added.
    with suppress(InvalidJob):
        return readable(JobSchedule, raw)
    return None


def read_state(raw: bytes | None) -> ScheduleState | None:
    """A state from its JSON; None if there is none, or none of ours."""
    return readable(ScheduleState, raw)


def change(
    name: str,
    was: bytes | None,
    becomes: ScheduleState | None,
    *,
    schedule: JobSchedule | None = None,
    jobs: Sequence[NewJob] = (),
    sign: Callable[[str], str] = lambda document: document,
) -> Call[Changed]:
    """Take one step of a schedule.

    Args:
        was: its state as it was read; None if there was none.
        becomes: its new state; None to remove it.
        schedule: what it is; None to leave that.
        jobs: what it starts.
        sign: takes what it is, as JSON, and gives it back signed.
    """

    def decode(answer: list[Any]) -> Changed:
        how = answer[0]
        if how == b"busy":
            return Changed(busy=answer[1].decode())
        try:
            refuse(answer)
        except Unavailable as error:
            return Changed(refused=error.message)
        return Changed(how == b"ok", is_full=how == b"full")

    new, what = (value.model_dump_json() if value else "" for value in (becomes, schedule))
    what = sign(what) if what else ""
    words = (name, was or b"", new, what, MOST, encoded(jobs) if jobs else "", iso_now())
    return Call(words, decode, script("change_schedule"))


def _by_name(answer: dict[bytes, bytes]) -> dict[str, bytes]:
    return {name.decode(errors="replace"): raw for name, raw in answer.items()}
