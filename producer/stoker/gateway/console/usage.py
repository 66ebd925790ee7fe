"""Who has used what."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ...terminal.amounts import duration, size_text
from ...terminal.html import tag
from ..auth.scopes import ALL, sees_model, sees_tenant
from ..problems import Problem
from ..routes import Caller, Client, needs
from .charts import bar
from .forms import choice, field
from .page import console_router, listed, page

ROUTES = console_router()
_HEAD = ("Name", "Slots had for", "Share", "Jobs", "Stored", "Predictions")
_BY = ("tenant", "kind", "model")


@ROUTES.get("/usage", openapi_extra=needs("read"))
async def usage(
    request: Request,
    client: Client,
    key: Caller,
    by: Literal["tenant", "kind", "model"] = "tenant",
    days: Annotated[int, Query(ge=1, le=400)] = 7,
) -> Response:
    """What tenants, kinds and models have used in some days."""
    if key.tenants != ALL and by != "tenant":
        raise Problem(403, "Forbidden", f"key {key.id} ({key.name}) is for some tenants: ask for usage by tenant")
    used = [
        each for each in await client.usage(by, timedelta(days=days)) if by != "tenant" or sees_tenant(key, each.name)
    ]
    used = [each for each in used if by != "model" or sees_model(key, each.name)]
    all_s = sum(each.slot_s for each in used) or 1.0
    rows = [
        (
            each.name or "(none)",
            duration(each.slot_s),
            bar("share of all", each.slot_s / all_s),
            f"{each.jobs:,}",
            size_text(each.stored_bytes),
            f"{each.predictions:,}",
        )
        for each in used
    ]
    form = tag(
        "form",
        choice("By", "by", [(each, each) for each in _BY], by),
        field("Days", "days", str(days), type_="number", min="1", max="400"),
        tag("button", "Show"),
        class_="filter",
    )
    return page(request, "Usage", form, listed(f"Usage by {by}", _HEAD, rows, none="Nothing has been used."))
