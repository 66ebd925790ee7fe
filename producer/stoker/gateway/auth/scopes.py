"""What a key is held to within what its role may: which jobs, models, tenants."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from ...client.aio import AsyncClient
from ...client.async_job import AsyncJob
from ...errors import InvalidJob, JobNotFound, Untrusted
from ...kinds import Result, Spec, kind_of
from ...kinds.base import LONGEST_SINGLETON
from ...security.roles import check_role, check_scope
from ...status import JobStatus
from ...tenants import TENANT
from ..problems import Problem
from .keys import ApiKey

_JOB_MODEL = "job:"
ALL = ("*",)


async def require_submits(key: ApiKey, client: AsyncClient, spec: Spec) -> None:
    """Check that a key may have a job run: its kind, functions, models, aliases, tenant and device.

    Raises:
        Problem: 403, it may not.
        JobNotFound: it names a job that the key does not see.
    """
    _require(lambda: check_role(key, spec, spec.device))
    if key.models == ALL and key.tenants == ALL:
        return
    for ref in kind_of(spec).models(spec):
        if ref.startswith(_JOB_MODEL):
            _, status = await visible(key, client, ref.removeprefix(_JOB_MODEL))
            require_model(key, status.model)


def require_model(key: ApiKey, ref: str) -> None:
    """Check that a key may have a model, by a reference to it.

    Raises:
        Problem: 403, it may not.
    """
    _require(lambda: check_scope(key, "models", ref.partition("@")[0]))


def sees_model(key: ApiKey, name: str) -> bool:
    """Whether a key may have a model, by its name."""
    return any(fnmatchcase(name, pattern) for pattern in key.models)


def require_alias(key: ApiKey, alias: str) -> None:
    """Check that a key may move an alias; raises what `require_model` does."""
    _require(lambda: check_scope(key, "aliases", alias))


def require_role(key: ApiKey, role: str) -> None:
    """Check that the owner of a key may approve what is to be approved by a role.

    Raises:
        Problem: 403, it may not.
    """
    if not approves(key, role):
        raise Problem(
            403,
            "Forbidden",
            f"key {key.id} ({key.name}) does not approve for {role!r}: it approves for "
            f"{', '.join(key.approves) or 'nobody'}",
        )


def approves(key: ApiKey, role: str) -> bool:
    """Whether the owner of a key may approve for a role."""
    return any(fnmatchcase(role, pattern) for pattern in key.approves)


def sees(key: ApiKey, status: JobStatus) -> bool:
    """Whether a job is of a tenant that a key is for, and of a model that it may have, or of none."""
    name = status.model.partition("@")[0]
    return sees_tenant(key, status.tags.get(TENANT, "")) and (not name or sees_model(key, name))


def sees_tenant(key: ApiKey, tenant: str) -> bool:
    """Whether a key is for a tenant; "" is none."""
    return any(fnmatchcase(tenant, pattern) for pattern in key.tenants)


async def visible(key: ApiKey, client: AsyncClient, job_id: str) -> tuple[AsyncJob[Result], JobStatus]:
    """A job and its status, if a key sees it.

    Raises:
        JobNotFound: there is none, or it is another tenant's, which is not told apart.
    """
    job = await client.job(job_id)
    status = await job.status()
    if not sees(key, status):
        raise JobNotFound(f"no job has the id {job_id!r}: it never existed or its record has expired")
    return job, status


async def actable(key: ApiKey, client: AsyncClient, job_id: str) -> AsyncJob[Result]:
    """A job that a key sees and may act on: one such as it may submit.

    Raises:
        JobNotFound: as `visible`.
        Problem: 403, it may not.
    """
    job, _ = await visible(key, client, job_id)
    require_spec(key, await job.spec())
    return job


def _require(check: Callable[[], None]) -> None:
    try:
        check()
    except Untrusted as error:
        raise Problem(403, "Forbidden", error.message) from None


def sees_spec(key: ApiKey, spec: Spec) -> bool:
    """Whether a key would see a job of this spec."""
    try:
        for scope, value in (("tenants", spec.tags.get(TENANT, "")), *(("models", ref) for ref in _models(spec))):
            check_scope(key, scope, value)
    except Untrusted:
        return False
    return True


def require_spec(key: ApiKey, spec: Spec) -> None:
    """Check that a key may act on jobs of this spec; raises what `require_model` does."""
    _require(lambda: check_role(key, spec, spec.device))


def _models(spec: Spec) -> list[str]:
    """The names of the models that a spec reads and makes, as far as it names them."""
    kind = kind_of(spec)
    refs = [*kind.models(spec), *([getattr(spec, kind.makes)] if kind.makes else [])]
    return [ref.partition("@")[0] for ref in refs if ref and not ref.startswith((_JOB_MODEL, "#"))]


def own_singleton(key: ApiKey, spec: Spec) -> Spec:
    """A spec whose singleton key, of a caller who is for some tenants, is its tenant's: it meets no other's job."""
    if spec.singleton is None or key.tenants == ALL:
        return spec
    tenant = spec.tags.get(TENANT, "")
    if spec.singleton.startswith(f"{tenant}/"):
        return spec
    if len(tenant) + 1 + len(spec.singleton) > LONGEST_SINGLETON:
        raise InvalidJob(
            f"singleton has {len(spec.singleton)} characters, and with its tenant at most {LONGEST_SINGLETON}"
        )
    return spec.model_copy(update={"singleton": f"{tenant}/{spec.singleton}"})


def own_changes(key: ApiKey, spec: Spec, changes: Mapping[str, object]) -> dict[str, object]:
    """Changes that lead to a spec, with its singleton key as `own_singleton` has it."""
    return {**changes, "singleton": own_singleton(key, spec).singleton} if "singleton" in changes else dict(changes)
