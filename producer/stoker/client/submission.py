"""Submitting: what is refused, and the jobs that are queued if nothing is."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ..errors import InvalidJob
from ..kinds import Spec, checked, kind_of
from ..kinds.kind import with_fields
from ..ledger import intake, registry
from ..ledger.registry import JOB_MODEL
from ..models.manifest import ModelVersion
from ..redis.calls import Steps
from ..security.signatures import Signatures
from .checks import Checks, ScheduledChecks, checked_by
from .placement import Offer, Seen, offer
from .signing import NewIds, sign
from .submitted import Submitted, submitted
from .tracing import traceparent


def submit(
    specs: Sequence[Spec],
    idempotency_key: str | None = None,
    *,
    signatures: Signatures,
    resubmits: str = "",
    seen: Seen | None = None,
) -> Steps[list[Submitted]]:
    """Check specs, sign them and queue them, all or none; gives the jobs.

    Args:
        resubmits: the id of an older job, which these have come from.
        seen: what the client has seen.

    Raises:
        InvalidJob, ModelNotFound: see `_prepare`.
        InvalidJob, JobNotFound: see `intake.submit`.
        Untrusted: an older job is given that these specs do not lead to.
    """
    if len(specs) > 1:
        refuse_keys(specs)
    seen = seen or Seen()
    known = seen.versions()
    while True:
        try:
            jobs, models = yield from _prepare(specs, idempotency_key, resubmits, seen=seen, known=known)
        except InvalidJob:
            # The version that a reference leads to by now may fit.
            if not known:
                raise
        else:
            if signatures.signer:
                sign(jobs, signatures.signer)
            ids = yield from _queue(jobs, {ref: version for ref, version in models.items() if ref in known})
            if ids is not None:
                return (yield from submitted(jobs, ids, signatures))
        # Once at most: what was looked up for these jobs is not held against what there is.
        known = {}


def _queue(jobs: Sequence[intake.NewJob], models: Mapping[str, ModelVersion]) -> Steps[list[str] | None]:
    """Queue jobs that were checked against versions of models, all or none.

    Returns:
        Their ids, some of older jobs; None, and queues none, if a reference leads to another version by now.

    Raises:
        InvalidJob, JobNotFound: see `intake.submit`.
    """
    batches = list(intake.chunks(jobs))
    if len(batches) == 1:
        ids: list[str] = yield intake.submit(jobs, models)
        return ids or None
    if batches:
        if (singleton := jobs[0].spec.singleton) is not None:
            raise InvalidJob(f"singleton={singleton!r} is for short lists, and this one has {len(jobs)} jobs")
        list_id = str(uuid.uuid4())
        for number, batch in enumerate(batches, 1):
            yield intake.stage(list_id, number, batch)
        if not (yield intake.accept(list_id, jobs, models)):
            return None
        while (yield intake.take_in(list_id)):
            pass
    return [job.id for job in jobs]


def refuse_keys(specs: Sequence[Spec]) -> None:
    """Refuse keys in a list of jobs that say nothing of it as a whole.

    Raises:
        InvalidJob: another than the first has a singleton, or one has a debounce, or is to be reused.
    """
    for number, spec in enumerate(specs):
        if spec.reuse is not None:
            raise InvalidJob(
                "reuse is for a job that is submitted by itself, not for several, and not by a schedule; "
                f"spec #{number} has one"
            )
        if spec.debounce is not None or (number and spec.singleton is not None):
            raise InvalidJob(
                "of several jobs the first may have a singleton, which is that of all, and none a debounce; spec "
                f"#{number} has one"
            )


def anew(specs: Sequence[Spec]) -> Steps[list[Spec]]:
    """Specs to be submitted again and again: checked, with their data as a worker finds them, and no model pinned.

    Raises:
        InvalidJob, ModelNotFound: as `submit`.
    """
    yield from _prepare(specs, None, "")
    offered = yield from offer(specs)
    checks = Checks({}, offered)
    ready: list[Spec] = []
    for spec in specs:
        checked_spec, _ = yield from checked_by(checks, checked(spec))
        ready.append(checked_spec)
    return ready


def scheduled(specs: Sequence[Spec], ids: Sequence[str]) -> Steps[list[intake.NewJob]]:
    """The jobs of a start, with these ids; their data were checked when it was planned, and may not be here.

    Raises:
        InvalidJob, ModelNotFound: a spec does not fit the models that there are by now, or an upload is gone.
    """
    jobs, _ = yield from _prepare(specs, None, "", ScheduledChecks, ids)
    return jobs


def _prepare(
    specs: Sequence[Spec],
    idempotency_key: str | None,
    resubmits: str,
    kind_of_checks: type[Checks] = Checks,
    ids: Sequence[str] = (),
    seen: Seen | None = None,
    known: Mapping[str, ModelVersion] = MappingProxyType({}),
) -> Steps[tuple[list[intake.NewJob], Mapping[str, ModelVersion]]]:
    """Check specs against the registry and the headers of local files, and give each an id and a queue.

    A spec that is in the list twice is checked once. Gives the versions as well that they were checked against.

    Args:
        specs: jobs submitted together; each may name an earlier one as "#0", "#1", ….
        idempotency_key: for a single spec.
        ids: what the jobs are to be called; none for new ids.
        seen: see `submit`.
        known: versions that are not looked up, by reference.

    Raises:
        InvalidJob: a file, column or array is missing, a reference is wrong, or no worker could run a job.
        ModelNotFound: a spec names a model that does not exist.
    """
    given = {id(spec): spec for spec in specs}
    valid = {number: checked(spec) for number, spec in given.items()}
    distinct = valid.values()
    offered = (yield from offer(distinct, seen)) if specs else Offer()
    models = yield from _versions(distinct, known)
    if seen and not models.keys() <= known.keys():
        seen.note_versions(models)
    checks = kind_of_checks(models, offered)
    routed: dict[int, tuple[Spec, str, str]] = {}
    prepared: list[intake.NewJob] = []
    new = NewIds()
    parent = traceparent()
    for spec in specs:
        if id(spec) not in routed:
            named = _with_ids(valid[id(spec)], prepared)
            ready, queue = yield from checked_by(checks, named)
            ready, identity = checks.identified(named, ready) if spec.reuse else (ready, "")
            routed[id(spec)] = ready, queue, identity
        ready, queue, identity = routed[id(spec)]
        job_id = ids[len(prepared)] if ids else new.next(ready)
        prepared.append(intake.NewJob(job_id, ready, queue, ready.after, idempotency_key, parent, resubmits, identity))
    return prepared, models


def _versions(specs: Iterable[Spec], known: Mapping[str, ModelVersion]) -> Steps[dict[str, ModelVersion]]:
    """The registered versions that specs name, by reference: those that are known, and others as they are now."""
    named = (ref for spec in specs for ref in kind_of(spec).models(spec))
    refs = list(dict.fromkeys(ref for ref in named if not ref.startswith(("#", JOB_MODEL))))
    if unknown := [ref for ref in refs if ref not in known]:
        versions: list[ModelVersion] = yield registry.resolve_all(unknown)
        known = {**known, **dict(zip(unknown, versions, strict=True))}
    return {ref: known[ref] for ref in refs}


def _with_ids(spec: Spec, before: Sequence[intake.NewJob]) -> Spec:
    """The spec with job ids in place of "#0"; it runs after the jobs whose models it reads."""

    def job_id(ref: str) -> str:
        if not ref.startswith("#"):
            return ref
        number = int(ref[1:])
        if number >= len(before):
            raise InvalidJob(f"{ref} in spec #{len(before)} names no spec before it: count from #0")
        return before[number].id

    kind = kind_of(spec)
    if not spec.after and not any(ref.startswith(("#", JOB_MODEL)) for ref in kind.models(spec)):
        return spec
    named: Spec = kind.with_models(spec, lambda ref: f"{JOB_MODEL}{job_id(ref)}" if ref.startswith("#") else ref)
    makers = [ref.removeprefix(JOB_MODEL) for ref in kind.models(named) if ref.startswith(JOB_MODEL)]
    return with_fields(named, after=tuple(dict.fromkeys([*map(job_id, spec.after), *makers])))
