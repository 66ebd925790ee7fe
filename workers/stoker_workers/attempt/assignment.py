"""What a runner is given: the spec, and what is to be known and found before it begins."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from stoker import ledger
from stoker.errors import InvalidJob
from stoker.events import Event
from stoker.fleet.topology import WorkDevice
from stoker.kinds import KINDS, RESULT, Result, Spec, kind_of
from stoker.ledger import Attempt, registry
from stoker.ledger.keys import key
from stoker.models.access import Access
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.store import Store
from stoker.outages import Outage

from ..ml.run import Run, StopRequest
from .slot import Slot


@dataclass(frozen=True)
class Assignment:
    """What a runner is given.

    Attributes:
        device: what it is to compute on.
        access: what it may read as data.
        models: the registered versions that the spec names, in order.
        checkpoints: what earlier attempts left, the newest last.
        children: what the jobs gave that an earlier attempt has asked for, in order.
        children_s: for how many seconds those have been waited for.
        gang: addresses of all processes of a training by several.
        place: which of them this one is.
        slots: how many slots could share the work.
        part_s: seconds of work that make a part worth a job of its own.
    """

    job: str
    spec: Spec
    device: WorkDevice
    store_url: str
    builders: tuple[str, ...]
    access: Access
    models: tuple[ModelVersion, ...]
    checkpoints: tuple[Artifact, ...]
    children: tuple[Result, ...] = ()
    children_s: float = 0.0
    gang: tuple[str, ...] = ()
    place: int = 0
    slots: int = 1
    part_s: float = 0.0

    def run(
        self,
        scratch: Path,
        emit: Callable[[Event], None],
        blocked: Callable[[Outage | None], None],
        stop_requested: Callable[[], StopRequest | None],
    ) -> Run:
        """The execution, seen from the inside."""
        return Run(
            job=self.job,
            store=Store(self.store_url),
            scratch=scratch,
            builders=self.builders,
            access=self.access,
            models=self.models,
            checkpoints=self.checkpoints,
            emit=emit,
            blocked=blocked,
            stop_requested=stop_requested,
            device=self.device,
            children=self.children,
            children_s=self.children_s,
            gang=self.gang,
            place=self.place,
            slots=self.slots,
            part_s=self.part_s,
        )


def assign(slot: Slot, attempt: Attempt, spec: Spec) -> Assignment:
    """What the runner of an attempt needs.

    Raises:
        InvalidJob, ModelNotFound: it names what is not there.
        Unavailable: Redis is away, and the worker has to end.
    """
    settings = slot.settings
    return Assignment(
        job=attempt.job_id,
        spec=spec,
        device=slot.device,
        store_url=settings.store,
        builders=settings.builders,
        access=Access(settings.data_roots, settings.store),
        models=_models(slot, attempt, spec),
        checkpoints=attempt.checkpoints,
        children=_children(attempt),
        children_s=attempt.children_ms / 1000,
        slots=_slots_for_children(slot, spec),
        part_s=settings.part_s,
    )


def _models(slot: Slot, attempt: Attempt, spec: Spec) -> tuple[ModelVersion, ...]:
    """The versions that a spec names. What the claim has not brought is looked for: that can say what is wrong."""
    refs = kind_of(spec).models(spec)
    brought = attempt.models if len(attempt.models) == len(refs) else (b"",) * len(refs)
    return tuple(
        registry.read_version(version) if version else _resolved(slot, ref)
        for ref, version in zip(refs, brought, strict=True)
    )


def _resolved(slot: Slot, ref: str) -> ModelVersion:
    """The version behind a reference, or the one that the job has made which it names."""
    if ref.startswith(registry.JOB_MODEL):
        made = slot.insist(ledger.result(ref.removeprefix(registry.JOB_MODEL)))
        field = KINDS[made.kind].makes if made else None
        if field is None:
            raise InvalidJob(f"{ref} has made no model: name a training that has succeeded")
        ref = str(getattr(made, field))
    return slot.insist(registry.resolve(ref))


def _children(attempt: Attempt) -> tuple[Result, ...]:
    try:
        return tuple(map(RESULT.validate_json, attempt.children))
    except ValidationError:
        raise InvalidJob(
            "the result of a job that it has asked for cannot be read: something else than Stoker has written to "
            f"{key('children', attempt.job_id)}"
        ) from None


def _slots_for_children(slot: Slot, spec: Spec) -> int:
    """How many slots of this device a job's children could run on; 1 if it asks for none."""
    if not kind_of(spec).may_ask(spec):
        return 1
    workers = slot.insist(ledger.workers())
    return sum(worker.slots for worker in workers if worker.device == slot.device)
