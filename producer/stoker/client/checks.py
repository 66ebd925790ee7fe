"""The checks of what is submitted, besides its own fields: models, data, and who could run it."""

import functools
from collections.abc import Mapping

from ..errors import InvalidJob
from ..fleet import topology
from ..kinds import Data, Spec, kind_of
from ..kinds.identity import identity
from ..ledger import uploads
from ..models.data import preflight, preflight_file, split
from ..models.formats import Stated
from ..models.manifest import ModelVersion
from ..models.uploads import SCHEME as UPLOADS
from ..models.uploads import parse_upload, unknown_upload
from ..redis.calls import Steps
from ..tenants import TENANT
from .placement import Offer, place
from .reaching import check_reach


def checked_by(checks: "Checks", spec: Spec) -> Steps[tuple[Spec, str]]:
    """See `Checks.check`; what it needs to know of uploads is looked up, which begins their time anew."""
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


class Checks:
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


class ScheduledChecks(Checks):
    """The checks of jobs that a controller submits: it reads no data, and refuses none for a lack of workers."""

    def check(self, spec: Spec) -> tuple[Spec, str]:
        """See `Checks.check`; where no live worker could run it, the job waits for one."""
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
