"""GET /v1/events: one stream of what changes in all jobs."""

from typing import Annotated

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response

from ..routes import Caller, needs, router, state_of
from .stream import MEDIA_TYPE, EventStream

ROUTES = router("events")
After = Annotated[str | None, Query(description="The id of the event to start after.", max_length=64)]
LastEventId = Annotated[str | None, Header(description="The same; browsers send it themselves.", max_length=64)]


@ROUTES.get(
    "/events",
    operation_id="followJobs",
    status_code=200,
    response_class=EventStream,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "Server-sent events."}},
    openapi_extra=needs("read"),
)
async def follow(request: Request, key: Caller, after: After = None, last_event_id: LastEventId = None) -> Response:
    """Follow what changes in all jobs that the key sees.

    A `job` event has a job's new status in `data`. A `resync` event says that others may have been missed, as at the
    begin: whoever shows lists reads them anew then. Other types may come.
    """
    state = state_of(request)
    events = state.feed.follow(key, last_event_id or after)
    return EventStream(events, state.gate.stream(key), state.ending, lambda: state.gate.holds(request.scope, key))
