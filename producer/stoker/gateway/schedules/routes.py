"""Schedules: jobs that are submitted by themselves, at times or on alarms."""

from datetime import UTC, datetime

from pydantic import BaseModel, Field
from starlette.responses import Response

from ...client.aio import AsyncClient
from ...schedules.schedule import MOST_JOBS, CatchUp, ScheduleName, ScheduleStatus
from ..auth.keys import ApiKey
from ..auth.scopes import own_singleton, require_spec, require_submits
from ..jobs.documents import Job, Strict, SubmittedJobs
from ..problems import Problem
from ..routes import Caller, Client, document, needs, router
from .listing import require_actable, sees_schedule, visible_schedule, visible_schedules

ROUTES = router("schedules")


class NewSchedule(Strict):
    """When jobs start, and which.

    Attributes:
        when: as cron writes it, such as "0 3 * * *", "every 15m", "daily", or an alarm, such as "drift of digits".
        jobs: a chain: "#0" names the first.
        zone: the time zone of cron's times.
        catch_up: what starts when no controller ran for a time.
        cool_down_s: on alarms: seconds after a start in which no other alarm starts anything.
        at_most: on alarms: how many starts there are within 24 hours.
        replace: whether another schedule of this name may be replaced.
    """

    when: str = Field(max_length=256)
    jobs: list[Job] = Field(min_length=1, max_length=MOST_JOBS)
    zone: str = "UTC"
    catch_up: CatchUp = "latest"
    cool_down_s: float = Field(default=3600.0, ge=0, le=366 * 86_400)
    at_most: int = Field(default=2, ge=1, le=100)
    replace: bool = False


class ScheduleList(BaseModel):
    """Schedules, by name."""

    schedules: list[ScheduleStatus]


@ROUTES.get("/schedules", operation_id="listSchedules", response_model=ScheduleList, openapi_extra=needs("read"))
async def list_schedules(client: Client, key: Caller) -> Response:
    """List the schedules of which the key may see all jobs."""
    return document(ScheduleList(schedules=await visible_schedules(key, client)))


@ROUTES.put(
    "/schedules/{name}", operation_id="putSchedule", response_model=ScheduleStatus, openapi_extra=needs("submit")
)
async def put(client: Client, key: Caller, name: ScheduleName, new: NewSchedule) -> Response:
    """Have jobs submitted by themselves; the same schedule again changes nothing.

    They start with what the key may when it is added: a schedule ends when it is removed, not with its key.
    """
    specs = [job.root for job in new.jobs]
    for spec in specs:
        await require_submits(key, client, spec)
    specs = [own_singleton(key, spec) for spec in specs]
    await _require_own(key, client, name)
    added = await client.schedule(
        new.when,
        specs,
        name=name,
        zone=new.zone,
        catch_up=new.catch_up,
        cool_down_s=new.cool_down_s,
        at_most=new.at_most,
        replace=new.replace,
    )
    return document(added)


@ROUTES.get("/schedules/{name}", operation_id="getSchedule", response_model=ScheduleStatus, openapi_extra=needs("read"))
async def get(client: Client, key: Caller, name: ScheduleName) -> Response:
    """A schedule, and what has come of it."""
    return document(await visible_schedule(key, client, name))


@ROUTES.post(
    "/schedules/{name}/pause",
    operation_id="pauseSchedule",
    response_model=ScheduleStatus,
    openapi_extra=needs("submit"),
)
async def pause(client: Client, key: Caller, name: ScheduleName) -> Response:
    """Let a schedule start nothing until it is resumed."""
    await require_actable(key, client, name)
    return document(await client.pause_schedule(name))


@ROUTES.post(
    "/schedules/{name}/resume",
    operation_id="resumeSchedule",
    response_model=ScheduleStatus,
    openapi_extra=needs("submit"),
)
async def resume(client: Client, key: Caller, name: ScheduleName) -> Response:
    """Let a paused schedule go on from now."""
    await require_actable(key, client, name)
    return document(await client.resume_schedule(name))


@ROUTES.post(
    "/schedules/{name}/run",
    operation_id="runSchedule",
    status_code=202,
    response_model=SubmittedJobs,
    openapi_extra=needs("submit"),
)
async def run(client: Client, key: Caller, name: ScheduleName) -> Response:
    """Submit a schedule's jobs now, besides its times: they carry its name in their tag `schedule`."""
    schedule = await visible_schedule(key, client, name)
    for spec in schedule.specs:
        await require_submits(key, client, spec)
    tags = {"schedule": name, "scheduled": datetime.now(UTC).isoformat()}
    specs = [spec.model_copy(update={"tags": spec.tags | tags}) for spec in schedule.specs]
    return document(SubmittedJobs(ids=[job.id for job in await client.submit_many(specs)]), 202)


@ROUTES.delete(
    "/schedules/{name}", operation_id="removeSchedule", response_model=ScheduleStatus, openapi_extra=needs("submit")
)
async def remove(client: Client, key: Caller, name: ScheduleName) -> Response:
    """Remove a schedule; what it has started goes on."""
    await require_actable(key, client, name)
    return document(await client.remove_schedule(name))


async def _require_own(key: ApiKey, client: AsyncClient, name: str) -> None:
    """Check that a schedule of this name, if there is one, is the key's to act on.

    Raises:
        Problem: 409: it is another's.
    """
    for older in await client.schedules():
        if older.name == name:
            if not sees_schedule(key, older):
                raise Problem(409, "OthersSchedule", f"there is another schedule {name!r}: choose another name")
            for spec in older.specs:
                require_spec(key, spec)
