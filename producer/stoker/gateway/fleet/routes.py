"""What runs, and what it has used."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel
from starlette.responses import Response

from ..auth.scopes import ALL, sees_model, sees_tenant
from ..problems import Problem
from ..routes import Caller, Client, document, needs, router

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
    by: Literal["tenant", "kind", "model"] = "tenant",
    days: Annotated[float, Query(gt=0, le=_LONGEST_DAYS)] = 7,
) -> Response:
    """What has been used within some days; a key for some tenants alone sees what these have used."""
    if key.tenants != ALL and by != "tenant":
        why = f"key {key.id} ({key.name}) is for some tenants, and usage by {by} is of all: ask for by=tenant"
        raise Problem(403, "Forbidden", why)
    listed = await client.usage(by, timedelta(days=days))
    seen = [used for used in listed if by != "tenant" or sees_tenant(key, used.name)]
    seen = [used for used in seen if by != "model" or sees_model(key, used.name)]
    return document(Used(usage=[used.model_dump(mode="json") for used in seen]))
