"""Schedules, of which a key may see but a part."""

from ...client.aio import AsyncClient
from ...errors import InvalidJob
from ...schedules.schedule import ScheduleStatus
from ..auth.keys import ApiKey
from ..auth.scopes import require_spec, sees_spec
from ..problems import Problem


async def visible_schedules(key: ApiKey, client: AsyncClient) -> list[ScheduleStatus]:
    """The schedules of which a key sees all jobs, by name."""
    return [schedule for schedule in await client.schedules() if sees_schedule(key, schedule)]


async def visible_schedule(key: ApiKey, client: AsyncClient, name: str) -> ScheduleStatus:
    """A schedule of which a key sees all jobs.

    Raises:
        Problem: 404: there is none, or it is another tenant's, which is not told apart.
    """
    for schedule in await visible_schedules(key, client):
        if schedule.name == name:
            return schedule
    raise Problem(404, "NotFound", f"there is no schedule {name!r}: GET /v1/schedules lists them")


async def require_actable(key: ApiKey, client: AsyncClient, name: str) -> None:
    """Check that a key may act on a schedule: that it may have its jobs run.

    Raises:
        Problem: 404 as `visible_schedule`, 403: it may not.
    """
    for spec in (await visible_schedule(key, client, name)).specs:
        require_spec(key, spec)


def sees_schedule(key: ApiKey, schedule: ScheduleStatus) -> bool:
    """Whether a key sees all jobs of a schedule; none sees one that a newer version has written."""
    try:
        return all(sees_spec(key, spec) for spec in schedule.specs)
    except InvalidJob:
        return False
