"""What happens to a spec before it is queued: everything that can be known to be wrong is refused here."""

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from .. import ledger
from ..errors import InvalidJob
from ..fleet import topology
from ..kinds import Deploy, Evaluate, Infer, Spec, Train, checked
from ..kinds.base import JobSpec
from ..ledger import registry
from ..ledger.registry import JOB_MODEL
from ..models.data import preflight
from ..models.manifest import ModelVersion
from ..redis.connection import Steps
from .placement import Offer, offer, place
from .tracing import traceparent

AnySpec = TypeVar("AnySpec", bound=JobSpec)


def submit(specs: Sequence[Spec], idempotency_key: str | None = None) -> Steps[list[str]]:
    """Check specs and queue them, all or none; gives the jobs' ids.

    Raises:
        InvalidJob, ModelNotFound: see `_prepare`.
        InvalidJob, JobNotFound: see `ledger.submit`.
    """
    jobs = yield from _prepare(specs, idempotency_key)
    parts = list(ledger.parts(jobs))
    if len(parts) == 1:
        ids: list[str] = yield ledger.submit(jobs)
        return ids
    if parts:
        intake = str(uuid.uuid4())
        for place, part in enumerate(parts, 1):
            yield ledger.stage(intake, place, part)
        yield ledger.accept(intake, jobs)
        while (yield ledger.take_in(intake)):
            pass
    return [job.id for job in jobs]


def _prepare(specs: Sequence[Spec], idempotency_key: str | None) -> Steps[list[ledger.NewJob]]:
    """Check specs against the registry and the headers of local files, and give each an id and a queue.

    What several specs ask is asked once.

    Args:
        specs: jobs submitted together; each may name one before it as "#0", "#1", ….
        idempotency_key: for a single spec.

    Raises:
        InvalidJob: a file, column or array is missing, a reference points nowhere, or nothing could run a job.
        ModelNotFound: a spec names a model that does not exist.
    """
    sound = {id(spec): checked(spec) for spec in specs}
    distinct = sound.values()
    offered = (yield from offer(distinct)) if specs else Offer()
    border = _Border((yield from _versions(distinct)), offered)
    ready_ones: dict[int, tuple[Spec, str]] = {}
    prepared: list[ledger.NewJob] = []
    parent = traceparent()
    for spec in specs:
        if id(spec) not in ready_ones:
            ready_ones[id(spec)] = border.check(_with_ids(sound[id(spec)], prepared))
        ready, queue = ready_ones[id(spec)]
        prepared.append(ledger.NewJob(str(uuid.uuid4()), ready, queue, ready.after, idempotency_key, parent))
    return prepared


def _versions(specs: Iterable[Spec]) -> Steps[dict[str, ModelVersion]]:
    """The registered versions that specs name, by reference."""
    named = [spec.model for spec in specs if not isinstance(spec, Train)]
    refs = list(dict.fromkeys(ref for ref in named if not ref.startswith(("#", JOB_MODEL))))
    if not refs:
        return {}
    versions: list[ModelVersion] = yield registry.resolve_all(refs)
    return dict(zip(refs, versions, strict=True))


def _with_ids(spec: Spec, before: Sequence[ledger.NewJob]) -> Spec:
    """The spec with ids instead of "#0"; it comes after the job whose model it takes."""

    def job_id(ref: str) -> str:
        if not ref.startswith("#"):
            return ref
        number = int(ref[1:])
        if number >= len(before):
            raise InvalidJob(f"{ref} in spec #{len(before)} names no spec before it: count from #0")
        return before[number].id

    after = [job_id(ref) for ref in spec.after]
    if isinstance(spec, Train):
        return _with(spec, after=tuple(dict.fromkeys(after)))
    model = f"{JOB_MODEL}{job_id(spec.model)}" if spec.model.startswith("#") else spec.model
    if model.startswith(JOB_MODEL):
        after.append(model.removeprefix(JOB_MODEL))
    return _with(spec, after=tuple(dict.fromkeys(after)), model=model)


def _with(spec: AnySpec, **fields: object) -> AnySpec:
    """The spec with other values; itself where they are the same, for in a long list each copy counts."""
    return spec.model_copy(update=fields) if any(getattr(spec, name) != fields[name] for name in fields) else spec


class _Border:
    """What specs are checked against, on their way in.

    Args:
        versions: by the references that the specs name.
        offered: what there is to run jobs on.
    """

    def __init__(self, versions: Mapping[str, ModelVersion], offered: Offer) -> None:
        self._versions = versions
        self._offered = offered
        # The same data is looked at once.
        self._preflight = functools.cache(preflight)

    def check(self, spec: Spec) -> tuple[Spec, str]:
        """The spec, with its data as a worker finds it, and its queue."""
        queue = topology.queue_for(spec.kind, place(spec, self._offered))
        match spec:
            case Train():
                return self._train(spec), queue
            case Deploy():
                return spec, queue
            case _:
                return self._with_model(spec), queue

    def _train(self, spec: Train) -> Train:
        found = {"data": self._preflight(spec.data, target=spec.target, features=spec.features)}
        if spec.validation_data is not None:
            found["validation_data"] = self._preflight(spec.validation_data, target=spec.target, features=spec.features)
        return _with(spec, **found)

    def _with_model(self, spec: Evaluate | Infer) -> Evaluate | Infer:
        version = self._versions.get(spec.model)
        labelled = isinstance(spec, Evaluate)
        target = spec.target if isinstance(spec, Evaluate) else None
        features: tuple[str, ...] = ()
        if version:
            inputs = version.signature.inputs
            features = inputs[0].columns if len(inputs) == 1 else tuple(tensor.name for tensor in inputs)
            target = target or version.signature.target
        data = self._preflight(
            spec.data, target=target, features=features or None, labelled=labelled and version is not None
        )
        return _with(spec, data=data)
