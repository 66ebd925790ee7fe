"""What runs, and what it has used."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel
from starlette.responses import Response

from ...client.using import Dimension
from ..routes import Caller, Client, document, needs, router
from .listing import visible_usage

ROUTES = router("fleet")
_LONGEST_DAYS = 400


class Workers(BaseModel):
    """The live workers, by name, each as it describes itself: its device, slots, queues, memory and packages."""

    workers: list[dict[str, Any]]


class Used(BaseModel):
    """What has been used, by tenant, kind or model: seconds times slots, ended jobs, stored bytes, predictions."""

    usage: list[dict[str, Any]]


@ROUTES.get("/workers", operation_id="listWorkers", response_model=Workers, openapi_extra=needs("read"))
async def list_workers(client: Client) -> Response:
    """List the live workers."""
    return document(Workers(workers=[worker.model_dump(mode="json") for worker in await client.workers()]))


@ROUTES.get("/usage", operation_id="getUsage", response_model=Used, openapi_extra=needs("read"))
async def get_usage(
    client: Client,
    key: Caller,
    by: Dimension = "tenant",
    days: Annotated[float, Query(gt=0, le=_LONGEST_DAYS)] = 7,
) -> Response:
    """What has been used within some days; a key for some tenants alone sees what these have used."""
    used = await visible_usage(key, client, by, timedelta(days=days))
    return document(Used(usage=[each.model_dump(mode="json") for each in used]))
