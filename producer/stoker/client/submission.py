"""Submitting: what is refused, and the jobs that are queued if nothing is."""

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence

from ..errors import InvalidJob
from ..fleet import topology
from ..kinds import Data, Spec, checked, kind_of
from ..kinds.identity import identity
from ..kinds.kind import with_fields
from ..ledger import intake, registry, uploads
from ..ledger.registry import JOB_MODEL
from ..models.data import preflight, preflight_file, split
from ..models.formats import Stated
from ..models.manifest import ModelVersion
from ..models.uploads import SCHEME as UPLOADS
from ..models.uploads import parse_upload, unknown_upload
from ..redis.calls import Steps
from ..security.signatures import Signatures
from ..tenants import TENANT
from .placement import Offer, Seen, offer, place
from .reaching import check_reach
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
        seen: the workers that the client has seen.

    Raises:
        InvalidJob, ModelNotFound: see `_prepare`.
        InvalidJob, JobNotFound: see `intake.submit`.
        Untrusted: an older job is given that these specs do not lead to.
    """
    if len(specs) > 1:
        refuse_keys(specs)
    jobs = yield from _prepare(specs, idempotency_key, resubmits, seen=seen)
    if signatures.signer:
        sign(jobs, signatures.signer)
    batches = list(intake.chunks(jobs))
    if len(batches) > 1 and specs[0].singleton is not None:
        raise InvalidJob(f"singleton={specs[0].singleton!r} is for short lists, and this one has {len(specs)} jobs")
    ids = [job.id for job in jobs]
    if len(batches) == 1:
        ids = yield intake.submit(jobs)
    elif batches:
        list_id = str(uuid.uuid4())
        for number, batch in enumerate(batches, 1):
            yield intake.stage(list_id, number, batch)
        yield intake.accept(list_id, jobs)
        while (yield intake.take_in(list_id)):
            pass
    return (yield from submitted(jobs, ids, signatures))


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
    checks = _Checks({}, offered)
    ready: list[Spec] = []
    for spec in specs:
        checked_spec, _ = yield from _checked(checks, checked(spec))
        ready.append(checked_spec)
    return ready


def scheduled(specs: Sequence[Spec], ids: Sequence[str]) -> Steps[list[intake.NewJob]]:
    """The jobs of a start, with these ids; their data were checked when it was planned, and may not be here.

    Raises:
        InvalidJob, ModelNotFound: a spec does not fit the models that there are by now, or an upload is gone.
    """
    return (yield from _prepare(specs, None, "", _ScheduledChecks, ids))


def _prepare(
    specs: Sequence[Spec],
    idempotency_key: str | None,
    resubmits: str,
    kind_of_checks: "type[_Checks] | None" = None,
    ids: Sequence[str] = (),
    seen: Seen | None = None,
) -> Steps[list[intake.NewJob]]:
    """Check specs against the registry and the headers of local files, and give each an id and a queue.

    A spec that is in the list twice is checked once.

    Args:
        specs: jobs submitted together; each may name an earlier one as "#0", "#1", ….
        idempotency_key: for a single spec.
        ids: what the jobs are to be called; none for new ids.
        seen: see `submit`.

    Raises:
        InvalidJob: a file, column or array is missing, a reference is wrong, or no worker could run a job.
        ModelNotFound: a spec names a model that does not exist.
    """
    given = {id(spec): spec for spec in specs}
    valid = {number: checked(spec) for number, spec in given.items()}
    distinct = valid.values()
    offered = (yield from offer(distinct, seen)) if specs else Offer()
    checks = (kind_of_checks or _Checks)((yield from _versions(distinct)), offered)
    routed: dict[int, tuple[Spec, str, str]] = {}
    prepared: list[intake.NewJob] = []
    new = NewIds()
    parent = traceparent()
    for spec in specs:
        if id(spec) not in routed:
            named = _with_ids(valid[id(spec)], prepared)
            ready, queue = yield from _checked(checks, named)
            ready, identity = checks.identified(named, ready) if spec.reuse else (ready, "")
            routed[id(spec)] = ready, queue, identity
        ready, queue, identity = routed[id(spec)]
        job_id = ids[len(prepared)] if ids else new.next(ready)
        prepared.append(intake.NewJob(job_id, ready, queue, ready.after, idempotency_key, parent, resubmits, identity))
    return prepared


def _checked(checks: "_Checks", spec: Spec) -> Steps[tuple[Spec, str]]:
    """See `_Checks.check`; what it needs to know of uploads is looked up, which begins their time anew."""
    while True:
        try:
            return checks.check(spec)
        except _UnknownYet as error:
            upload: uploads.Upload | None = yield uploads.use(error.ref)
            if upload is None:
                raise InvalidJob(unknown_upload(error.ref)) from None
            checks.uploads.add(error.ref)


class _UnknownYet(Exception):
    """A check depends on whether there is an upload."""

    def __init__(self, ref: str) -> None:
        super().__init__(ref)
        self.ref = ref


def _versions(specs: Iterable[Spec]) -> Steps[dict[str, ModelVersion]]:
    """The registered versions that specs name, by reference."""
    named = (ref for spec in specs for ref in kind_of(spec).models(spec))
    refs = list(dict.fromkeys(ref for ref in named if not ref.startswith(("#", JOB_MODEL))))
    if not refs:
        return {}
    versions: list[ModelVersion] = yield registry.resolve_all(refs)
    return dict(zip(refs, versions, strict=True))


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


class _Checks:
    """The checks of one submit.

    Args:
        versions: the registered versions that the specs name, by reference.
        offered: the workers that could run the jobs.

    Attributes:
        uploads: the references of uploads that there are.
    """

    def __init__(self, versions: Mapping[str, ModelVersion], offered: Offer) -> None:
        self._versions = versions
        self._offered = offered
        self.uploads: set[str] = set()
        self._read: list[str] = []  # what the spec reads that was checked last
        self._preflight = functools.cache(preflight)  # the same data is checked once

    def check(self, spec: Spec) -> tuple[Spec, str]:
        """The checked spec, its data references made absolute, and its queue."""
        queue = topology.queue_for(spec.kind, place(spec, self._offered))
        self._read.clear()
        checked: Spec = kind_of(spec).check(spec, self)
        return checked, queue

    def identified(self, named: Spec, checked: Spec) -> tuple[Spec, str]:
        """The spec that was checked last with exact versions of its models, and what it is told from others by.

        Args:
            named: the spec, with its models as they were named.
            checked: what `check` has made of it.

        Raises:
            InvalidJob: see `identity`.
        """
        versions = {ref: self._versions.get(ref) for ref in kind_of(named).models(named)}
        exact: Spec = kind_of(named).with_models(
            checked, lambda ref: version.ref if (version := versions.get(ref)) else ref
        )
        return exact, identity(kind_of(named), exact, versions, self._read, tenant=named.tags.get(TENANT, ""))

    def version(self, ref: str) -> ModelVersion | None:
        """See `SubmitChecks`."""
        return self._versions.get(ref)

    def preflight(
        self,
        data: str | Data,
        *,
        target: str | tuple[str, ...] | None,
        features: tuple[str, ...] | None,
        labelled: bool = True,
    ) -> str | Data:
        """See `SubmitChecks`."""
        self._reads(data.ref if isinstance(data, Data) else data)
        absolute = functools.partial(self._preflight, target=target, features=features, labelled=labelled)
        if isinstance(data, Data):
            return data.model_copy(update={"ref": absolute(data.ref, data.stated)})
        return absolute(data, Stated())

    def file(self, ref: str) -> str:
        """See `SubmitChecks`."""
        self._reads(ref)
        return preflight_file(ref)

    def _reads(self, ref: str) -> None:
        """Note that the spec reads what a reference names, and check that it was uploaded, if it is one to an upload.

        Raises:
            _UnknownYet: whether it was is to be looked up first.
        """
        check_reach(ref)
        self._read.append(ref)
        if split(ref)[0] == UPLOADS and (whole := parse_upload(ref).whole) not in self.uploads:
            raise _UnknownYet(whole)


class _ScheduledChecks(_Checks):
    """The checks of jobs that a controller submits: it reads no data, and refuses none for a lack of workers."""

    def check(self, spec: Spec) -> tuple[Spec, str]:
        """See `_Checks.check`; where no live worker could run it, the job waits for one."""
        try:
            device = place(spec, self._offered)
        except InvalidJob:
            device = place(spec, Offer())
        checked: Spec = kind_of(spec).check(spec, self)
        return checked, topology.queue_for(spec.kind, device)

    def preflight(
        self,
        data: str | Data,
        *,
        target: str | tuple[str, ...] | None,  # noqa: ARG002
        features: tuple[str, ...] | None,  # noqa: ARG002
        labelled: bool = True,  # noqa: ARG002
    ) -> str | Data:
        """See `SubmitChecks`."""
        self._reads(data.ref if isinstance(data, Data) else data)
        return data

    def file(self, ref: str) -> str:
        """See `SubmitChecks`."""
        self._reads(ref)
        return ref
