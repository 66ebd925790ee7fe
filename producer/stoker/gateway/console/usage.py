"""Who has used what."""

from datetime import timedelta
from typing import Annotated, get_args

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ...client.using import Dimension
from ...terminal.amounts import duration, size_text
from ...terminal.html import tag
from ..fleet.listing import visible_usage
from ..routes import Caller, Client, needs
from .charts import bar
from .forms import choice, field
from .page import console_router, listed, page

ROUTES = console_router()
_HEAD = ("Name", "Slots had for", "Share", "Jobs", "Stored", "Predictions")


@ROUTES.get("/usage", openapi_extra=needs("read"))
async def usage(
    request: Request,
    client: Client,
    key: Caller,
    by: Dimension = "tenant",
    days: Annotated[int, Query(ge=1, le=400)] = 7,
) -> Response:
    """What tenants, kinds and models have used in some days."""
    used = await visible_usage(key, client, by, timedelta(days=days))
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
        choice("By", "by", [(each, each) for each in get_args(Dimension)], by),
        field("Days", "days", str(days), type_="number", min="1", max="400"),
        tag("button", "Show"),
        class_="filter",
    )
    return page(request, "Usage", form, listed(f"Usage by {by}", _HEAD, rows, none="Nothing has been used."))
