"""An attempt at a job, as its worker reads it from the job's record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from ..models.manifest import Artifact


class _Checkpoint(Artifact):
    """A checkpoint as its job's record lists it, and who has signed it; "" for nobody."""

    signed: str = ""


_CHECKPOINTS: TypeAdapter[tuple[_Checkpoint, ...]] = TypeAdapter(tuple[_Checkpoint, ...])


@dataclass(frozen=True)
class Attempt:
    """A job that one worker runs.

    Attributes:
        owner: names this attempt and no other; the fencing token of all it writes.
        number: 1 for the first claim of the job, 2 for the second, …
        spec: as JSON that may have been written by anyone.
        checkpoints: what earlier attempts left, the newest last.
        kind, queue: what kind of job it is, and where it was queued.
        queued_at_ms: since when it was; 0 where that is unknown.
        traceparent: the span of its submit, as W3C's trace context writes it; "" for none.
        memory_bytes: what it asks for, or gets because an earlier attempt outgrew its slot; None for a slot's share.
        has_outgrown: whether an earlier attempt did.
        memory_plan: by which of its kind's memory plans it runs; 0 for none, 1 for the first.
        likeness: what it has in common with others, as JSON that may have been written by anyone; "" if unknown.
        models: the versions that it reads, in order, as JSON that may have been written by anyone; nothing for one that
            another job makes, or that is not there.
        beside: likewise the version that the first of them is held against, nothing for none; None if that is unknown.
        children: the results of the job's children, in order, as such JSON.
        asked: of a job that goes on with each of its children, all that it has asked for, in order, as such JSON:
            each a `ChildJob`, but for what it has reached.
        reached: what these have reached, "<epoch>:<number>" to value, as something else may have written it.
        following: the number of the next child.
        halving: of a child, at which epochs it is held against others, as such JSON; "" for none.
        children_signed: who says that these are all that it has asked for, see `security.signing`; "" for nobody.
        kept: what the attempt has kept that waited last; nothing if none has.
        children_ms: for how long the job has waited for them.
        release: of the Stoker that submitted it, as `stoker.version.RELEASE` has it; 0 where that is unknown.
        needs: the words that its worker must offer, as far as they are known; for members of a gang.
        envelope: who has signed it, see `security.signing`; "" for nobody.
        losses: how many workers were lost to it since it was submitted, or requeued.
        checkpoints_signed: who has signed its checkpoints, in their order; "" for nobody.
    """

    job_id: str
    owner: str
    number: int
    spec: str
    checkpoints: tuple[Artifact, ...]
    kind: str = ""
    queue: str = ""
    queued_at_ms: int = 0
    traceparent: str = ""
    memory_bytes: int | None = None
    has_outgrown: bool = False
    memory_plan: int = 0
    likeness: str = ""
    models: tuple[bytes, ...] = ()
    beside: bytes | None = None
    children: tuple[bytes, ...] = ()
    asked: tuple[bytes, ...] = ()
    reached: tuple[tuple[bytes, bytes], ...] = ()
    following: int = 0
    halving: str = ""
    children_signed: str = ""
    kept: bytes = b""
    children_ms: int = 0
    release: int = 0
    needs: tuple[str, ...] = ()
    envelope: str = ""
    losses: int = 0
    checkpoints_signed: tuple[str, ...] = ()


def read_attempt(job_id: str, owner: str, fields: Mapping[str, Any]) -> Attempt:
    """An attempt from what its record holds, by the names of its attributes.

    A spec or checkpoints that cannot be read leave the spec empty, so that the attempt fails.
    """

    def text(name: str) -> str:
        return _text(fields.get(name) or b"")

    def number(name: str) -> int:
        return int(fields.get(name) or 0)

    try:
        spec, listed = (fields.get("spec") or b"").decode(), text("checkpoints")
        checkpoints = _CHECKPOINTS.validate_json(listed) if listed else ()
    except ValueError:
        spec, checkpoints = "", ()
    return Attempt(
        job_id,
        owner,
        number("number"),
        spec,
        tuple(Artifact(**each.model_dump(exclude={"signed"})) for each in checkpoints),
        kind=text("kind"),
        queue=text("queue"),
        queued_at_ms=number("queued_at_ms"),
        traceparent=text("traceparent"),
        memory_bytes=number("memory_bytes") or None,
        has_outgrown=bool(number("outgrown")),
        memory_plan=number("memory_plan"),
        likeness=text("likeness"),
        models=tuple(fields.get("models") or ()),
        beside=fields.get("beside"),
        children=tuple(fields.get("children") or ()),
        asked=tuple(fields.get("asked") or ()),
        reached=_pairs(fields.get("reached") or ()),
        following=number("following"),
        halving=text("halving"),
        children_signed=text("children_signed"),
        kept=fields.get("kept") or b"",
        children_ms=number("children_ms"),
        release=number("release"),
        needs=tuple(text("needs").split()),
        envelope=text("envelope"),
        losses=number("losses"),
        checkpoints_signed=tuple(each.signed for each in checkpoints),
    )


def _pairs(words: Sequence[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(zip(words[::2], words[1::2], strict=True))


def _text(answer: bytes | int) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
