"""Acting on all jobs that match, page by page, and submitting jobs again with changes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypedDict, TypeVar

from ..errors import InvalidArgument, StokerError
from ..events import OPEN, JobState
from ..kinds import Spec, parse_spec
from ..ledger import pauses, records
from ..ledger.records import Search
from ..redis.calls import Call, Steps
from ..security.signatures import UNSIGNED, Signatures
from ..status import JobStatus
from . import arguments, submission
from .submitted import Submitted

T = TypeVar("T")
# How many jobs one step reads: a few milliseconds of the server. Each is acted on by a script of its own.
_PAGE = 100
_EXAMPLES = 3
# So many reasons are kept of why jobs were refused.
_MOST_REASONS = 10
UNSUCCESSFUL = (JobState.FAILED, JobState.CANCELLED, JobState.DEAD, JobState.PRUNED)
Act = Literal["cancel", "pause", "resume", "resubmit"]


class Filters(TypedDict, total=False):
    """Which jobs to act on, as `Client.jobs` takes it; at least one must be given."""

    state: JobState | str | None
    kind: str | None
    model: str | None
    tags: Mapping[str, str] | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Matching:
    """The jobs that match.

    Attributes:
        count: how many there are.
        examples: the newest of them.
    """

    count: int = 0
    examples: tuple[JobStatus, ...] = ()


@dataclass(frozen=True)
class Acted:
    """What came of acting on many jobs.

    Attributes:
        done: how many were acted on.
        ended: how many had ended, or were forgotten, before it came to them.
        refused: how many could not be acted on.
        reasons: why, of some of these.
        ids: of jobs that were submitted again, the new ones.
    """

    done: int = 0
    ended: int = 0
    refused: int = 0
    reasons: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


def matching(what: Act, filters: Filters) -> Steps[Matching]:
    """Count the jobs that would be acted on, page by page.

    Raises:
        InvalidArgument: the filter names nothing, or something that is not there.
    """
    wanted, found, place = _search(what, filters), Matching(), ""
    while True:
        page, place = yield records.page(wanted, _PAGE, _PAGE, place)
        fitting = [status for status in page if _fits(what, status)]
        found = Matching(found.count + len(fitting), (*found.examples, *fitting)[:_EXAMPLES])
        if not place:
            return found


def act(
    what: Act, filters: Filters, changes: Mapping[str, object] | None = None, signatures: Signatures = UNSIGNED
) -> Steps[Acted]:
    """Act on each job that matches, the newest first; what is submitted after the first page is left alone.

    Args:
        changes: of the specs that are submitted again.
        signatures: sign these.

    Raises:
        InvalidArgument: the filter names nothing, or something that is not there.
    """
    wanted, acted, place, ids = _search(what, filters), Acted(), "", list[str]()
    while True:
        page, place = yield records.page(wanted, _PAGE, _PAGE, place)
        for status in page:
            if not _fits(what, status):
                continue
            answer = yield from _attempted(_act(what, status.id, changes or {}, signatures))
            if isinstance(answer, StokerError):
                acted = yield from _refused(acted, status, answer)
            elif isinstance(answer, JobState) and answer.final:
                acted = replace(acted, ended=acted.ended + 1)
            else:
                acted = replace(acted, done=acted.done + 1)
                ids += [] if isinstance(answer, JobState) else [answer.id]
        if not place:
            return replace(acted, ids=tuple(ids))


def resubmit(job_id: str, changes: Mapping[str, object], signatures: Signatures) -> Steps[Submitted]:
    """Submit a job's spec again, with changes; gives the new job.

    Raises:
        JobNotFound: no job has this id.
        InvalidJob, ModelNotFound: the changed spec is wrong.
    """
    spec: Spec = yield records.spec(job_id)
    [new] = yield from submission.submit([changed(spec, changes)], resubmits=job_id, signatures=signatures)
    return new


def changed(spec: Spec, changes: Mapping[str, object]) -> Spec:
    """A spec with other values of some fields, by name; "checkpoint.steps" names one within another.

    It comes after no other job, and waits for no time, unless the changes say so: these were for the first time.

    Raises:
        InvalidJob: a field or a value is wrong.
        InvalidArgument: what a name with a dot is within has no fields.
    """
    document = spec.model_dump(mode="json", exclude={"after", "not_before"})
    for name, value in changes.items():
        *path, field = name.split(".")
        place = document
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InvalidArgument(f"{name} names a field within {part}, which has none: it is {place!r}")
        place[field] = value
    return parse_spec(document)


def _search(what: Act, filters: Filters) -> Search:
    if not any(filters.values()):
        raise InvalidArgument(
            "name at least one of state, kind, model, tags, since and until: all jobs at once is rarely meant"
        )
    wanted = arguments.search(
        filters.get("state"),
        filters.get("kind"),
        filters.get("model"),
        filters.get("tags"),
        None,
        filters.get("since"),
        filters.get("until"),
    )
    return wanted if wanted.states else replace(wanted, states=UNSUCCESSFUL if what == "resubmit" else OPEN)


def _fits(what: Act, status: JobStatus) -> bool:
    return what != "resume" or status.paused is not None


def _act(what: Act, job_id: str, changes: Mapping[str, object], signatures: Signatures) -> Steps[JobState | Submitted]:
    """Act on one job; gives the state that it had, or the new job."""
    match what:
        case "resubmit":
            return (yield from resubmit(job_id, changes, signatures))
        case "cancel":
            state: JobState = yield records.cancel(job_id)
        case "pause":
            state = yield pauses.pause(job_id)
        case "resume":
            state = yield pauses.resume(job_id)
    return state


def _refused(acted: Acted, status: JobStatus, error: StokerError) -> Steps[Acted]:
    """Count a job that could not be acted on: it may have ended meanwhile, or be forgotten."""
    now: JobStatus | StokerError = yield _tolerant(records.status(status.id))
    if isinstance(now, StokerError) or (now.state.final and not status.state.final):
        return replace(acted, ended=acted.ended + 1)
    return replace(acted, refused=acted.refused + 1, reasons=(*acted.reasons, error.message)[:_MOST_REASONS])


def _attempted(steps: Steps[T]) -> Steps[T | StokerError]:
    """What steps give, or the error that they end in."""
    answer: object = None
    while True:
        try:
            call = steps.send(answer)
        except StopIteration as end:
            given: T = end.value
            return given
        except StokerError as error:
            return error
        answer = yield _tolerant(call)
        if isinstance(answer, StokerError):
            return answer


def _tolerant(call: Call[T]) -> Call[T | StokerError]:
    """A call that gives the error which its answer means, in place of raising it."""

    def decode(answer: object) -> T | StokerError:
        try:
            return call.decode(answer)
        except StokerError as error:
            return error

    return Call(call.words, decode, call.script)
