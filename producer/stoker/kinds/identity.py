"""When two jobs are identical, so that the result of one may be given for that of the other."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidJob
from ..models.access import shown
from ..models.data import split
from ..models.manifest import ModelVersion
from ..models.uploads import SCHEME as UPLOADS
from ..version import RELEASE
from .base import JobSpec
from .kind import Kind
from .repeatable import runs_own_code
from .tasks import digest

# Of what all jobs have, what a result depends on: where it is computed.
_OF_THE_WORK = "device"
# What cannot change under its name, the first for one release of Stoker.
_FIXED = ("sample", UPLOADS)


def identity(
    kind: Kind[Any],
    spec: JobSpec[Any],
    versions: Mapping[str, ModelVersion | None],
    read: Iterable[str],
    *,
    tenant: str,
) -> str:
    """A fingerprint that jobs have in common which are identical: of one tenant, release, work, models and data.

    Args:
        spec: with exact versions of its models.
        versions: those, by how they were named; None for what another job is yet to make.
        read: the references of all data and files that it names.

    Raises:
        InvalidJob: whether another run of it would give the same cannot be told.
    """
    if why := kind.differs(spec):
        raise InvalidJob(f"reuse='identical' {why}")
    known: list[dict[str, object]] = []
    for name, version in versions.items():
        if version is None:
            raise InvalidJob(
                f"reuse='identical' needs models that there are, and {name} is one that a job is yet to make"
            )
        if version.modules:
            raise InvalidJob(f"reuse='identical' {runs_own_code(f'{version.ref} is made of', version.modules)}")
        files = {form: file.digest for form, file in version.files.items()}
        known.append({"ref": version.ref, "job": version.job, "files": files})
    for ref in read:
        if split(ref)[0] not in _FIXED:
            raise InvalidJob(
                f"reuse='identical' needs data that cannot change under their name, and {shown(ref)} can: name a "
                "sample://, or what client.upload or `stoker files put` gives, store://…"
            )
    whole = {"release": RELEASE, "tenant": tenant, "work": work_of(spec), "models": known}
    return digest(json.dumps(whole, sort_keys=True))


def work_of(spec: JobSpec[Any]) -> dict[str, object]:
    """What of a spec its result depends on."""
    return {
        name: value
        for name, value in json.loads(spec.model_dump_json()).items()
        if name == _OF_THE_WORK or name not in JobSpec.model_fields
    }
