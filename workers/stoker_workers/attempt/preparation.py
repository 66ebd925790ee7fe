"""What is to be known and found before a job is run."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from pydantic import ValidationError

from stoker.errors import InvalidJob, ModelNotFound
from stoker.kinds import RESULT, Result, Spec, kind_of
from stoker.kinds.child import ChildJob
from stoker.kinds.needs import lacking, module_word, modules_in
from stoker.ledger import children, guards, presence, registry, results
from stoker.ledger.attempt import Attempt
from stoker.ledger.keys import key
from stoker.models.access import Access
from stoker.models.manifest import ModelVersion
from stoker.models.targets import Targets

from ..ml.run import Lacking, Run
from .admission import believed_checkpoints, check_asked, check_children, check_made
from .slot import Slot

# A child that has ended is described by the same words at each step of its parent: to read those is most of a step.
# A slot keeps so many, some 10 kB each.
_MOST_CHILDREN_KEPT = 1024
# So are the versions of models for jobs that take milliseconds.
_MOST_VERSIONS_KEPT = 64


def prepared(slot: Slot, attempt: Attempt, spec: Spec) -> Run:
    """The run of an attempt, which nobody follows yet.

    Raises:
        InvalidJob, ModelNotFound: it names what is not there.
        Untrusted: a model, or what another job gave, is signed by no worker that is trusted.
        Lacking: a model has classes of modules that the worker does not allow.
        Unavailable: Redis is away, and the worker has to end.
    """
    settings = slot.settings
    models = _models(slot, attempt, spec)
    checkpoints, left_out = believed_checkpoints(slot, attempt)
    check_children(slot, attempt)
    check_asked(slot, attempt)
    return Run(
        job=attempt.job_id,
        device=slot.device,
        store=slot.store,
        builders=settings.builders,
        objectives=settings.objectives,
        functions=settings.functions,
        custom_objects=modules_in(slot.offers.offers),
        access=Access(settings.data_roots, slot.store.place),
        targets=Targets(settings.export_roots, slot.store.url),
        models=models,
        beside=_beside(slot, attempt, spec, models),
        checkpoints=checkpoints,
        left_out=left_out,
        children=_children(attempt),
        asked=_asked(attempt),
        kept=attempt.kept,
        children_s=attempt.children_ms / 1000,
        slots=_slots_for_children(slot, spec),
        part_s=settings.part_s,
        memory_plan=attempt.memory_plan,
        guard=slot.insist(guards.of(models[0].name)) if kind_of(spec).predicts else None,
    )


def _models(slot: Slot, attempt: Attempt, spec: Spec) -> tuple[ModelVersion, ...]:
    """The versions that a spec names. What the claim has not read is read here, with errors that say what is wrong."""
    refs = kind_of(spec).models(spec)
    # Of those that the claim has read only the numbers are known to be right.
    is_read = len(attempt.models) == len(refs) and slot.signatures.trust is None
    claimed = attempt.models if is_read else (b"",) * len(refs)
    versions = tuple(
        _version(version) if version else _resolved(slot, attempt, ref)
        for ref, version in zip(refs, claimed, strict=True)
    )
    words = {module_word(module) for version in versions for module in version.modules}
    if lacks := lacking(sorted(words), slot.offers.offers):
        raise Lacking(f"the models need {', '.join(lacks)}", lacks)
    return versions


@lru_cache(maxsize=_MOST_VERSIONS_KEPT)
def _version(document: bytes) -> ModelVersion:
    return registry.read_version(document)


def _beside(slot: Slot, attempt: Attempt, spec: Spec, models: Sequence[ModelVersion]) -> ModelVersion | None:
    """The version that the first model is held against, if there is one; read here if the claim has not."""
    alias = kind_of(spec).beside(spec)
    if alias is None:
        return None
    try:
        if attempt.beside is not None and slot.signatures.trust is None:
            return _version(attempt.beside) if attempt.beside else None
        return slot.insist(registry.resolve(f"{models[0].name}@{alias}", slot.check_version))
    except ModelNotFound:
        return None


def _resolved(slot: Slot, attempt: Attempt, ref: str) -> ModelVersion:
    """The version behind a reference, or the one that the job which it names has made or chosen."""
    if ref.startswith(registry.JOB_MODEL):
        made = slot.insist(results.result(ref.removeprefix(registry.JOB_MODEL), slot.check_result))
        model = made.gives_model() if made else None
        if model is None:
            raise InvalidJob(
                f"{ref} has made or chosen no model, or several: name a training or a comparison that has succeeded"
            )
        check_made(slot, attempt, model)
        ref = model
    return slot.insist(registry.resolve(ref, slot.check_version))


def _children(attempt: Attempt) -> tuple[Result, ...]:
    try:
        return tuple(map(RESULT.validate_json, attempt.children))
    except ValidationError:
        raise InvalidJob(
            "the result of a job that it has asked for cannot be read: something else than Stoker has written to "
            f"{key('children', attempt.job_id)}"
        ) from None


def _asked(attempt: Attempt) -> tuple[ChildJob, ...]:
    try:
        reached = _reached(attempt)
        return tuple(
            child.model_copy(update={"reached": reached.get(child.number, {})}) for child in map(_child, attempt.asked)
        )
    except (IndexError, ValueError):
        raise InvalidJob(
            "the jobs that it has asked for cannot be read: something else than Stoker has written to "
            f"{key('children', attempt.job_id)} or {key('reached', attempt.job_id)}"
        ) from None


@lru_cache(maxsize=_MOST_CHILDREN_KEPT)
def _child(document: bytes) -> ChildJob:
    return ChildJob.model_validate_json(document)


def _reached(attempt: Attempt) -> dict[int, dict[int, float]]:
    """The values at rungs, by the number of the child and by epoch."""
    reached: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for place, entry in attempt.reached:
        epoch, number = map(int, place.split(b":"))
        reached[number][epoch] = float(entry.split()[0])
    return reached


def _slots_for_children(slot: Slot, spec: Spec) -> int:
    """How many slots a job's children could run on, of this device or that of its trials; 1 if it asks for none."""
    kind = kind_of(spec)
    if not kind.may_have_children(spec):
        return 1
    trial = kind.trial(spec)
    device = slot.device if trial is None else children.device_for(trial, slot.device)
    workers = slot.insist(presence.workers())
    return sum(worker.slots for worker in workers if worker.device == device)
