"""What clients do with jobs in the ledger: look, and cancel."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..errors import InvalidJob, JobNotFound
from ..events import Event, JobState, read_event
from ..kinds import Spec, read_spec
from ..redis.calls import Call, Steps
from ..status import JobStatus
from .keys import key
from .scripts import iso_now, script

_STATUS_FIELDS = (
    # Where query.lua looks for it.
    "parent",
    "resubmits",
    "kind",
    "state",
    "queue",
    "makes",
    "model",
    "priority",
    "tags",
    "attempt",
    "max_attempts",
    "worker",
    "submitted_at",
    "started_at",
    *("finished_at", "cancel", "last_event_at", "paused", "reused"),
    "progress",
    "progress_id",
    "reason",
    "outage",
    "summary",
)
_TIMES = ("submitted_at", "started_at", "finished_at", "last_event_at", "paused")
_YET_TO_START = (JobState.WAITING, JobState.QUEUED)
# How many jobs one step looks at: some milliseconds of the server.
_LOOK = 1000


def cancel(job_id: str) -> Call[JobState]:
    """Ask for a job's end; gives the state it had. A job that is final stays as it is."""

    def decode(answer: bytes | None) -> JobState:
        return state_of(job_id, answer)

    return Call((job_id, iso_now()), decode, script("cancel"))


def status(job_id: str) -> Call[JobStatus]:
    """A job as it stands now."""

    words = ("HMGET", key("job", job_id), *_STATUS_FIELDS)
    return Call(words, lambda values: _status(job_id, values))


def spec(job_id: str) -> Call[Spec]:
    """A job's spec."""
    return Call(("HGET", key("job", job_id), "spec"), lambda answer: read_spec(_known(job_id, answer)))


def spec_text(job_id: str) -> Call[str]:
    """The text of a job's spec; "" if there is no such job."""
    return Call(("HGET", key("job", job_id), "spec"), lambda answer: (answer or b"").decode(errors="replace"))


def events(job_id: str, after: str | None, *, limit: int = 500) -> Call[list[Event]]:
    """The events behind one id, oldest first; `news` waits for more."""
    words = ("XREAD", "COUNT", limit, "STREAMS", key("events", job_id), after or "0-0")
    return Call(words, _events)


def _events(answer: list[Any] | None) -> list[Event]:
    if not answer:
        return []
    [(_, entries)] = answer
    return [_event(entry_id.decode(), fields.get(b"event", b"")) for entry_id, fields in entries]


def _event(entry_id: str, raw: bytes) -> Event:
    return read_event(raw).model_copy(update=_place(entry_id))


def _place(entry_id: str) -> dict[str, object]:
    """An event's place in its job's stream, and its time; "" for an entry that is unknown."""
    milliseconds = entry_id.partition("-")[0]
    return {"id": entry_id, "at": _time(milliseconds.encode())} if milliseconds else {}


@dataclass(frozen=True)
class Search:
    """Which jobs to list; None and an empty tuple stand for all.

    Attributes:
        model: a model's name, for all jobs of its versions, or an exact reference such as "digits@3".
        tags: what a job must be tagged with.
        parent: the id of the job whose children to list; None for jobs that are no children.
        since, until: when a job was submitted, at the earliest, and before when.
        paused: whether to list only jobs that are paused.
    """

    kinds: tuple[str, ...] = ()
    states: tuple[JobState, ...] = ()
    model: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    paused: bool = False


def search(wanted: Search, limit: int, before: str | None = None) -> Steps[list[JobStatus]]:
    """The newest jobs, the newest first; damaged records are left out.

    No step keeps the server busy for long: where few of many jobs are wanted, there are several.

    Args:
        before: only jobs that were submitted before the one with this id.

    Raises:
        JobNotFound: there is none with this id.
    """
    place: str | None = None
    if before is not None:
        place = yield Call(("HGET", key("job", before), "sequence"), lambda answer: _known(before, answer).decode())
    statuses: list[JobStatus] = []
    picky = wanted.model is not None or bool(wanted.tags) or bool(wanted.until) or wanted.paused
    while (left := limit - len(statuses)) > 0:
        found, place = yield page(wanted, left, _LOOK if picky else min(left, _LOOK), place)
        statuses += found
        if not place:
            break
    return statuses


def query(kinds: Iterable[str] | None, states: Iterable[JobState] | None, limit: int) -> Call[list[JobStatus]]:
    """The newest jobs of these kinds and states, in one step; see `search`."""
    call = page(Search(tuple(kinds or ()), tuple(states or ())), limit, limit, None)
    return Call(call.words, lambda answer: call.decode(answer)[0], call.script)


def page(wanted: Search, limit: int, look: int, before: str | None) -> Call[tuple[list[JobStatus], str]]:
    """Some jobs, the newest first, and where to go on; "" where there are no more.

    Args:
        look: how many to look at, at most.
        before: where to go on; None or "" for the newest.
    """
    query: dict[str, object] = {
        "limit": limit,
        "look": look,
        "kinds": wanted.kinds,
        "states": wanted.states or tuple(JobState),
        "fields": _STATUS_FIELDS,
        "tags": dict(wanted.tags),
    }
    if wanted.model is not None:
        query["model"] = wanted.model
    if wanted.parent is not None:
        query["parent"] = wanted.parent
    if wanted.since is not None:
        query["since_ms"] = _milliseconds(wanted.since)
    if wanted.until is not None:
        query["until_ms"] = _milliseconds(wanted.until)
    if wanted.paused:
        query["paused"] = True
    if before:
        query["before"] = before

    def decode(answer: list[Any]) -> tuple[list[JobStatus], str]:
        place, *rows = answer
        statuses = []
        for job_id, values in rows:
            # A record that something else wrote must not hide the others.
            with suppress(JobNotFound, InvalidJob):
                statuses.append(_status(job_id.decode(errors="replace"), values))
        return statuses, place.decode()

    return Call((json.dumps(query),), decode, script("query"))


def counts() -> Call[dict[tuple[str, JobState], int]]:
    """How many jobs there are of each kind and state, also of kinds that only newer clients know."""

    def decode(answer: list[Any]) -> dict[tuple[str, JobState], int]:
        return {
            (kind.decode(), state): count
            for kind, *counted in answer
            for state, count in zip(JobState, counted, strict=True)
        }

    return Call(tuple(JobState), decode, script("count"))


def _status(job_id: str, values: Sequence[bytes | None]) -> JobStatus:
    _known(job_id, values[_STATUS_FIELDS.index("state")] if values else None)
    try:
        return _decoded(job_id, values)
    except (ValueError, KeyError, RecursionError, OverflowError, OSError):
        # Without its cause, which would quote whatever was written there.
        raise _damaged(job_id) from None


def state_of(job_id: str, raw: bytes | None) -> JobState:
    try:
        return JobState(_known(job_id, raw).decode())
    except ValueError:
        raise _damaged(job_id) from None


def _damaged(job_id: str) -> InvalidJob:
    return InvalidJob(
        f"the record of job {job_id} is damaged: something else than Stoker has written to {key('job', job_id)}"
    )


def _decoded(job_id: str, values: Sequence[bytes | None]) -> JobStatus:
    fields = {name: value for name, value in zip(_STATUS_FIELDS, values, strict=True) if value is not None}
    tags, progress, outage = fields.pop("tags"), fields.pop("progress", None), fields.pop("outage", None)
    progress_id = fields.pop("progress_id", b"").decode()
    if JobState(fields["state"].decode()).final:
        # An older version has ended it, which knows of no pauses.
        fields.pop("paused", None)
    times = {name: _time(fields.pop(name)) for name in _TIMES if name in fields}
    return JobStatus.model_validate(
        {name: value.decode() for name, value in fields.items()}
        | times
        | {
            "id": job_id,
            "model": (fields.pop("makes", None) or fields.pop("model", b"")).decode(),
            "tags": json.loads(tags),
            "progress": json.loads(progress) | _place(progress_id) if progress else None,
            "cancel_requested": fields.pop("cancel", None) is not None,
            # One that runs again has not met it again yet.
            "outage": json.loads(outage) if outage and fields["state"].decode() in _YET_TO_START else None,
        }
    )


def _milliseconds(moment: datetime) -> int:
    return math.ceil(moment.timestamp() * 1000)


def _time(value: bytes) -> datetime:
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def _known(job_id: str, answer: bytes | None) -> bytes:
    if answer is None:
        raise JobNotFound(f"no job has the id {job_id!r}: it never existed or its record has expired")
    return answer
