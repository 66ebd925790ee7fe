"""What workers do with the ledger: claim a job, report on it, end it or hand it back."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from ..events import Epoch, Event, JobState, Progress
from ..kinds import Result
from ..kinds.needs import checked_words
from ..models.effects import MoveAlias
from ..models.manifest import ModelVersion
from ..outages import Outage
from ..redis.calls import Call, Word
from .attempt import Attempt, read_attempt
from .presence import Worker
from .replies import CommitReply, Refusal, ReportReply
from .results import failure_document
from .scripts import iso_now, script

Sign = Callable[[Literal["result", "failure", "model"], str, str], str]
Unsuccessful = Literal[JobState.FAILED, JobState.CANCELLED, JobState.PRUNED]


def claim(
    job_id: str,
    owner: str,
    worker: str,
    lease_s: float,
    offers: Worker | None = None,
    *,
    free_bytes: int | None = None,
) -> Call[Attempt | Refusal]:
    """Take a queued job.

    Refused if no job has this id, or if it is no longer queued. One that asks for more than the worker offers is put
    off for a while, one that needs a kind or words that the worker lacks waits for one that has them; neither costs an
    attempt. One whose record is damaged is ended.

    Args:
        free_bytes: memory of the worker that it has not promised to other jobs: 0 if no job can have its share, None
            where that is unknown. A job that needs more is put off, too; but one that was refused before, so that
            others had the chance, is claimed if it can have a share, to wait there until that much is free.
    """

    def decode(answer: list[Any]) -> Attempt | Refusal:
        how, *named = answer
        if how != b"claimed":
            return Refusal(_text(how))
        return read_attempt(
            job_id, owner, {_text(name): value for name, value in zip(named[::2], named[1::2], strict=True)}
        )

    has: tuple[Word | None, ...] = (None, None, None, None, None, free_bytes, None)
    if offers:
        known = (" ".join(offers.kinds), offers.release)
        resources = (offers.memory_bytes, offers.cpus, offers.gpu_memory_bytes)
        has = (*resources, *known, free_bytes, " ".join(offers.offers))
    words = (job_id, owner, worker, _ms(lease_s), iso_now(), *("" if value is None else value for value in has))
    return Call(words, decode, script("claim"))


def link() -> None:
    """Link the scripts that every attempt runs: a process that forks does so once for all its children."""
    for name in ("claim", "report", "commit"):
        _ = script(name).sha


def report(
    attempt: Attempt, lease_s: float, events: Sequence[Event] = (), *, sent_before: int = 0, keep: int = 1
) -> Call[ReportReply]:
    """Renew an attempt's lease and add its events; the checkpoints among them are what the next attempt may start from.

    The reply `LOST` means that nothing was written, and that those checkpoints will be deleted.

    Args:
        sent_before: how many events the attempt had before these, so that a repeated report adds none twice.
        keep: how many of the job's checkpoints stay listed, the newest ones; the others will be deleted.
    """
    progress = next((event for event in reversed(events) if isinstance(event, Epoch | Progress)), None)
    words: tuple[Word, ...] = (
        attempt.job_id,
        attempt.owner,
        _ms(lease_s),
        _event_json(progress) if progress else "",
        keep,
        sent_before,
        *map(_event_json, events),
    )
    return Call(words, lambda answer: ReportReply(_text(answer)), script("report"))


def _unsigned(_what: str, _about: str, document: str) -> str:
    """A document as it is."""
    return document


def succeed(
    attempt: Attempt,
    result: Result,
    effects: Sequence[ModelVersion | MoveAlias] = (),
    *,
    brief: Result | None = None,
    peak_bytes: int = 0,
    sign: Sign = _unsigned,
) -> Call[CommitReply]:
    """End an attempt with its result, register the versions that it made, and move aliases.

    Args:
        brief: what a parent that goes on with each of its children needs of the result; None for all of it.
        peak_bytes: the most memory that it was seen to use; 0 where that is unknown.
        sign: takes "result", "failure" or "model", what it is about, and its JSON, which it gives back signed.
    """
    words: tuple[Word, ...] = (
        attempt.job_id,
        attempt.owner,
        JobState.SUCCEEDED,
        sign("result", attempt.job_id, result.model_dump_json()),
        sign("result", attempt.job_id, brief.model_dump_json()) if brief else "",
        iso_now(),
        peak_bytes,
        _stored_bytes(result, effects),
        "",
        *(word for effect in effects for word in _effect_words(effect, sign)),
    )
    return Call(words, lambda answer: CommitReply(_text(answer)), script("commit"))


def _stored_bytes(result: Result, effects: Iterable[ModelVersion | MoveAlias]) -> int:
    """The bytes of all files of a result and of the versions registered with it, each file once."""
    files = {file.digest: file.size for file in result.shown().files.values()}
    for effect in effects:
        if isinstance(effect, ModelVersion):
            files |= {file.digest: file.size for file in effect.files.values()}
    return sum(files.values())


def _effect_words(effect: ModelVersion | MoveAlias, sign: Sign) -> tuple[Word, ...]:
    if isinstance(effect, ModelVersion):
        document = effect.model_dump_json(exclude={"aliases", "note"})
        return effect.name, effect.version, sign("model", effect.ref, document), ""
    name, _, number = effect.model.partition("@")
    return name, number, "", effect.alias


def fail(
    attempt: Attempt, state: Unsuccessful, reason: str, traceback: str = "", *, sign: Sign = _unsigned
) -> Call[CommitReply]:
    """End an attempt without a result.

    Args:
        sign: as in `succeed`; of the failure, only who has signed it is kept.
    """
    failure = json.loads(sign("failure", attempt.job_id, failure_document(state, reason)))
    words = (attempt.job_id, attempt.owner, state, reason, traceback, iso_now(), 0, 0, failure.get("signed", ""))
    return Call(words, lambda answer: CommitReply(_text(answer)), script("commit"))


def release(
    attempt: Attempt,
    why: Literal["drained", "lost", "outgrown", "unknown"],
    reason: str,
    memory_bytes: int | None = None,
    *,
    gpu_memory_bytes: int | None = None,
    memory_plan: int = 0,
) -> Call[JobState | None]:
    """Hand a job back: a drained one is queued, a lost one waits a little, one lost too often is DEAD.

    An unknown one, whose spec only a worker of the release that submitted it can read, waits for such a worker.
    One that is paused waits, unless it is given up.

    Gives its new state, or None if the attempt had lost it already.

    Args:
        memory_bytes, gpu_memory_bytes: what the next attempt gets of one that ran out of memory.
        memory_plan: by which of its kind's it runs.
    """
    outgrown = (memory_bytes or 0, "", "", gpu_memory_bytes or 0, memory_plan)
    words = (attempt.job_id, attempt.owner, why, reason, iso_now(), *outgrown)
    return Call(words, released, script("release"))


def await_worker(attempt: Attempt, words: Iterable[str]) -> Call[JobState | None]:
    """Hand a job back that needs more words than its record lists, for a worker that offers them; it costs no attempt.

    The record lists them from then on, so that a worker without them does not get the job again. If it did already, the
    attempt counts as lost: else a job could go round for ever.

    Gives what `release` does.

    Raises:
        InvalidJob: one of them can be no word.
    """
    needed = " ".join(checked_words(words))
    reason = f"its worker lacks what it is said to offer: {needed}"
    return Call(
        (attempt.job_id, attempt.owner, "lacking", reason, iso_now(), 0, "", needed), released, script("release")
    )


def await_outage(attempt: Attempt, outage: Outage) -> Call[JobState | None]:
    """Hand a job back that something is away for: it waits, longer each time, and it costs it nothing.

    Gives what `release` does.
    """
    words = (attempt.job_id, attempt.owner, "outage", outage.reason, iso_now(), 0, outage.of)
    return Call(words, released, script("release"))


def put_off(job_id: str, outage: Outage) -> Call[bool]:
    """Let a queued job wait, unclaimed, because something is away that it needs; returns whether it was queued."""
    return Call((job_id, outage.of, outage.reason), bool, script("put_off"))


def released(answer: bytes) -> JobState | None:
    """The state that a script gives which takes a job from an attempt; None if it had lost it already."""
    return None if answer == b"taken" else JobState(_text(answer))


def _event_json(event: Event) -> str:
    return event.model_dump_json(exclude={"id", "at"})


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(answer: bytes | int) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)
