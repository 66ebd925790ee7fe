"""Lists of jobs, of which a key may see but a part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ...client.aio import AsyncClient
from ...errors import InvalidArgument
from ...events import JobState
from ...status import JobStatus
from ...tenants import TENANT
from ..auth.keys import ApiKey
from ..auth.scopes import ALL, sees
from .documents import JobPage

# A page is looked for in so many of the ledger's, where a key does not see all of it.
_MOST_LOOKS = 20


@dataclass(frozen=True)
class Wanted:
    """Which jobs to list, as `Client.jobs` takes it."""

    state: JobState | None = None
    kind: str | None = None
    model: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    paused: bool = False


async def found_jobs(client: AsyncClient, key: ApiKey, wanted: Wanted, limit: int, cursor: str | None) -> JobPage:
    """The newest jobs that are wanted and that a key sees, behind one of them.

    Raises:
        InvalidArgument: the ledger cannot look for that.
    """
    tags, tenant = dict(wanted.tags), _only_tenant(key)
    if tenant and tags.setdefault(TENANT, tenant) != tenant:
        return JobPage(jobs=[])
    found: list[JobStatus] = []
    for _ in range(_MOST_LOOKS):
        page = await client.jobs(
            wanted.state,
            wanted.kind,
            limit,
            model=wanted.model,
            tags=tags,
            parent=wanted.parent,
            since=wanted.since,
            until=wanted.until,
            paused=wanted.paused,
            before=cursor,
        )
        found += [status for status in page if sees(key, status)]
        cursor = page[-1].id if len(page) == limit else None
        if cursor is None or len(found) >= limit:
            break
    if len(found) > limit:
        found, cursor = found[:limit], found[limit - 1].id
    return JobPage(jobs=found, next=cursor)


def tag_of(text: str) -> tuple[str, str]:
    """The name and the value of a tag.

    Raises:
        InvalidArgument: it is not NAME=VALUE.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidArgument("a tag is NAME=VALUE, such as tag=tenant=research")
    return name, value


def _only_tenant(key: ApiKey) -> str:
    """The only tenant that a key is for; "" if it may be for several."""
    if key.tenants == ALL or len(key.tenants) != 1:
        return ""
    [pattern] = key.tenants
    return "" if set(pattern) & set("*?[") else pattern
