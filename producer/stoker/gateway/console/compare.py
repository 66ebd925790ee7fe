"""Versions of a model side by side."""

from starlette.requests import Request
from starlette.responses import Response

from ...models.manifest import ModelVersion
from ...terminal.amounts import size_text
from ...terminal.html import tag
from ..auth.scopes import require_model
from ..routes import Caller, Client, needs
from .page import console_router, listed, page
from .words import job_link, model_link, moment

ROUTES = console_router()
_MOST = 12
_HOW_TO = "Metrics are those of each version's own training; to measure some on the same rows, submit a Compare job."


@ROUTES.get("/compare", openapi_extra=needs("read"))
async def compare(request: Request, client: Client, key: Caller, model: str) -> Response:
    """What differs between the newest versions of a model: each is a column."""
    require_model(key, model)
    newest = await client.model(f"{model}@latest")
    versions = [version for version in await client.models() if version.name == newest.name][:_MOST]
    metrics = sorted({name for version in versions for name in version.metrics})
    rows = [(name, *(_metric(version, name) for version in versions)) for name in metrics]
    about = {
        "aliases": [", ".join(version.aliases) for version in versions],
        "parameters": [f"{version.parameters:,}" for version in versions],
        "bytes": [size_text(sum(file.size for file in version.files.values())) for version in versions],
        "data": [version.data or version.source for version in versions],
        "validated on": [version.split for version in versions],
        "made from": [version.parent or "" for version in versions],
        "optimised": [version.optimized.words if version.optimized else "" for version in versions],
        "tuned": [version.tuned for version in versions],
    }
    # What is the same for all says nothing here.
    rows += [(name, *values) for name, values in about.items() if len(set(values)) > 1]
    rows += [
        ("registered", *(moment(version.created_at) for version in versions)),
        ("by job", *(job_link(version.job) for version in versions)),
    ]
    head = ("What", *(version.ref for version in versions))
    links = tag("p", *(model_link(version.ref) for version in versions), class_="acts")
    return page(
        request,
        f"Compare {newest.name}",
        tag("p", _HOW_TO, class_="hint"),
        links,
        listed("Versions side by side", head, rows, none=""),
    )


def _metric(version: ModelVersion, name: str) -> str:
    return f"{version.metrics[name]:.5g}" if name in version.metrics else ""
