"""How jobs come into the ledger: a few in one step; a long list in chunks, of which all are taken in or none.

The chunks of a long list are staged where nothing reads them, and expire if their client goes away. Then one script
checks and accepts the list: that is the moment when it is submitted. Then the client, or the controller should that
die meanwhile, takes it in chunk by chunk, so that the server is never kept busy for long.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import InvalidJob, JobNotFound, Unavailable
from ..kinds import Spec, document, kind_of, needs_of
from ..kinds.likeness import likeness
from ..kinds.tasks import digest
from ..models.manifest import ModelVersion
from ..redis.calls import Call
from ..tenants import TENANT
from ..version import RELEASE
from .keys import key
from .registry import led_to
from .scripts import iso_now, script

# So many jobs keep the server busy for a few milliseconds.
CHUNK_JOBS = 250
# And so many bytes of specs fit well into one command.
_CHUNK_BYTES = 16 << 20
# Chunks that are not accepted so long after the last of them came expire.
_STAGED_S = 600
_MOVED = [b"moved"]
_encode = json.JSONEncoder(separators=(",", ":")).encode
_REFUSALS = {
    b"missing": "is unknown",
    b"FAILED": "failed",
    b"CANCELLED": "was cancelled",
    b"DEAD": "is dead",
    b"PRUNED": "was pruned",
}


@dataclass
class NewJob:
    """A job about to be submitted.

    Attributes:
        id: chosen by the client, so that a repeated submit is the same job.
        after: ids of the jobs that must succeed first, some of them perhaps submitted with it.
        queue: where `spec` was routed to.
        idempotency_key: submits with one key are one job; None for no key.
        resubmits: the id of an older job whose spec it has, with changes; "" for none.
        identity: equal for jobs that are identical; "" where that is not asked.
        traceparent: the span it is submitted in, as W3C's trace context writes it; "" for none.
        envelope: who has signed it, see `security.signing`; "" for nobody.
    """

    id: str
    spec: Spec
    queue: str
    after: tuple[str, ...] = ()
    idempotency_key: str | None = None
    traceparent: str = ""
    resubmits: str = ""
    identity: str = ""
    envelope: str = ""

    @cached_property
    def document(self) -> str:
        """The spec as JSON."""
        return document(self.spec)

    @cached_property
    def digest(self) -> str:
        """What tells its spec from others: the SHA-256 of `document`."""
        return digest(self.document)


def submit(jobs: Sequence[NewJob], models: Mapping[str, ModelVersion] | None = None) -> Call[list[str]]:
    """Take a few jobs in, all or none; gives their ids, an earlier job's where the idempotency key is known, or
    where an identical one has succeeded; or none, and takes none in, if a reference leads to another version by now.

    Args:
        models: the versions that they were checked against, by reference.

    Raises:
        InvalidJob: an idempotency key was used before with another spec, or a job to come after cannot succeed.
        JobNotFound: a job to come after is unknown.
        Unavailable: a tenant would have more jobs waiting and queued than its quota, or a job with the singleton key
            of the first of several has not ended.
    """

    def decode(answer: list[Any]) -> list[str]:
        if answer and answer[0] == b"conflict":
            raise InvalidJob(
                f"the idempotency key {answer[1].decode()!r} belongs to a job with another spec: "
                "use a new key for a new job, or send the same spec again"
            )
        refuse(answer)
        if answer == _MOVED:
            return []
        older = {place: job_id.decode() for place, job_id in zip(answer[::2], answer[1::2], strict=True)}
        return [older.get(place, job.id) for place, job in enumerate(jobs, 1)]

    return Call((encoded(jobs), iso_now(), led_to(models or {})), decode, script("submit"))


def chunks(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """A long list of jobs, in chunks that can be taken in by one step each."""
    chunk: list[NewJob] = []
    sizes: dict[int, int] = {}
    for job in jobs:
        # What several share is written once.
        size = 0 if id(job.spec) in sizes else len(job.document)
        if chunk and (len(chunk) == CHUNK_JOBS or sum(sizes.values()) + size > _CHUNK_BYTES):
            yield chunk
            chunk, sizes, size = [], {}, len(job.document)
        chunk.append(job)
        sizes.setdefault(id(job.spec), size)
    if chunk:
        yield chunk


def stage(list_id: str, number: int, chunk: Sequence[NewJob]) -> Call[None]:
    """Store a chunk of a long list of jobs without idempotency keys; numbers count from 1."""
    return Call((list_id, number, encoded(chunk), _STAGED_S), lambda _: None, script("stage"))


def accept(list_id: str, jobs: Sequence[NewJob], models: Mapping[str, ModelVersion] | None = None) -> Call[bool]:
    """Submit a long list of jobs whose chunks have been staged: from here on, all will be taken in.

    Returns:
        False, and forgets the list, if a reference leads to another version than in `models` by now.

    Raises:
        InvalidJob, JobNotFound: as `submit` does.
        Unavailable: it is as `submit` says of quotas, or staging took so long that the first chunks are gone.
    """
    own = {job.id for job in jobs}
    others = {first: None for job in jobs for first in job.after if first not in own}

    def decode(answer: list[bytes]) -> bool:
        if answer and answer[0] == b"gone":
            raise Unavailable("the list of jobs took too long to reach Redis; nothing was queued, submit it again")
        refuse(answer)
        return answer != _MOVED

    tenants = Counter(job.spec.tags.get(TENANT, "") for job in jobs)
    count = sum(1 for _ in chunks(jobs))
    words = (list_id, count, jobs[-1].id, json.dumps(list(others)), json.dumps(tenants), led_to(models or {}))
    return Call(words, decode, script("accept"))


def submitted(idempotency_key: str) -> Call[str | None]:
    """The id of the job that was submitted with a key; None if there is none."""

    def decode(answer: bytes | None) -> str | None:
        words = (answer or b"").split()
        return words[0].decode(errors="replace") if words else None

    return Call(("GET", key("idempotency", idempotency_key)), decode)


def take_in(list_id: str) -> Call[bool]:
    """Take in the next chunk of an accepted list; returns whether more are left."""
    return Call((list_id, iso_now()), bool, script("take_in"))


def accepted(limit: int = 100) -> Call[list[str]]:
    """Some of the accepted lists of which something is left to be taken in."""

    def decode(answer: list[bytes]) -> list[str]:
        return [list_id.decode(errors="replace") for list_id in answer]

    return Call(("SRANDMEMBER", key("intakes"), limit), decode)


def refuse(answer: list[Any]) -> None:
    """Raise what a script says that takes jobs in: see `submit`."""
    if answer and answer[0] == b"busy":
        raise Unavailable(
            f"job {answer[1].decode()} with the singleton key of the first of these jobs has not ended: nothing was "
            "queued; submit them again when it has, or cancel it"
        )
    if answer and answer[0] == b"budget":
        _, tenant, spent, most, days = (each.decode() if isinstance(each, bytes) else each for each in answer)
        raise Unavailable(
            f"tenant {tenant!r} has had {spent} slot hours in {days} days, and its budget is {most}: nothing was "
            "queued, and what is goes on. Submit again when days have passed that count no more, or raise its budget"
        )
    if answer and answer[0] == b"quota":
        _, tenant, queued, most = answer
        raise Unavailable(
            f"tenant {tenant.decode()!r} has {queued} jobs waiting or queued and may have {most}: nothing was queued; "
            "submit again when some of them have started, or raise its quota"
        )
    if answer and (why := _REFUSALS.get(answer[0])):
        problem = f"job {answer[1].decode()!r}, which the new job comes after, {why}"
        raise JobNotFound(problem) if answer[0] == b"missing" else InvalidJob(f"{problem}: nothing can come after it")


def encoded(jobs: Sequence[NewJob], known: Mapping[str, str] | None = None) -> str:
    """Jobs as intake.lua takes them. What several have in common, for they share a spec object, is written once.

    Args:
        known: further fields of the record of each.
    """
    shapes: list[dict[str, object]] = []
    numbers: dict[tuple[object, ...], int] = {}
    rows: list[tuple[object, ...]] = []
    for job in jobs:
        same = (id(job.spec), job.queue, job.after, job.traceparent, job.resubmits, job.identity, job.envelope)
        number = numbers.get(same)
        if number is None:
            shapes.append(_shape(job, known or {}))
            number = numbers[same] = len(shapes)
        if job.idempotency_key is None:
            rows.append((job.id, number))
        else:
            rows.append((job.id, number, job.idempotency_key, job.digest))
    return _encode({"shapes": shapes, "jobs": rows})


def _shape(job: NewJob, further: Mapping[str, str]) -> dict[str, object]:
    """What scripts need to know to take a job in, and what they write into its record, so that none reads its spec."""
    spec, kind = job.spec, kind_of(job.spec)
    known: dict[str, object] = {
        "kind": spec.kind,
        "queue": job.queue,
        "priority": spec.priority,
        "tenant": spec.tags.get(TENANT),
        "singleton": spec.singleton,
        "debounce_ms": spec.debounce and round(spec.debounce * 1000),
        "not_before": spec.not_before and round(spec.not_before.timestamp() * 1000),
        "may_fall_back": int(job.queue.startswith("gpu.") and spec.device == "auto" and spec.gpu_memory is None),
    }
    written = {
        **known,
        **further,
        "spec": job.document,
        "tags": json.dumps(spec.tags) if spec.tags else "{}",
        "max_attempts": spec.max_attempts,
        "summary": kind.summary(spec),
        "release": RELEASE,
        "after": " ".join(job.after),
        "model": " ".join(kind.models(spec)),
        "beside": kind.beside(spec),
        "makes": getattr(spec, kind.makes) if kind.makes else "",
        "traceparent": job.traceparent,
        "resubmits": job.resubmits,
        "identity": job.identity,
        "envelope": job.envelope,
        "memory": spec.memory,
        "cpus": spec.cpus,
        "gpu_memory": spec.gpu_memory,
        "needs_words": " ".join(needs_of(spec)),
        "slots": slots if (slots := kind.slots(spec)) > 1 else None,
        "keeps_nothing": int(not kind.checkpoints(spec)),
        "likeness": likeness(kind, spec).model_dump_json(),
    }
    record: list[object] = ["attempt", 0, "losses", 0]
    for name, value in written.items():
        if value:
            record += (name, value)
    # Who submits a job again wants another run of it.
    sought = {"identity": job.identity} if job.identity and not job.resubmits else {}
    return {name: value for name, value in known.items() if value} | sought | {"after": job.after, "record": record}
