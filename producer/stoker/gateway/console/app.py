"""The console's routes, and its files."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from . import (
    alarms,
    audit,
    compare,
    dead,
    drift,
    entering,
    fleets,
    job,
    job_acts,
    jobs,
    jobs_acts,
    model,
    models,
    overview,
    reports,
    schedules,
    trying,
    tune,
    usage,
)
from .page import ROOT

_FILES = Path(__file__).parent / "static"
# "act" is no job's id.
_PAGES = (
    overview,
    jobs_acts,
    jobs,
    job_acts,
    job,
    reports,
    models,
    model,
    compare,
    trying,
    tune,
    drift,
    alarms,
    fleets,
    schedules,
    dead,
    entering,
    usage,
    audit,
)
TABLES = tuple(page.ROUTES for page in _PAGES)


async def _home(_request: Request) -> Response:
    return RedirectResponse(ROOT, 307)


class _Files(StaticFiles):
    """Files that a browser keeps, and asks whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """See `StaticFiles.file_response`."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


# What nobody needs a key for.
PUBLIC = (Route("/", _home), *entering.PUBLIC, Mount(f"{ROOT}/static", _Files(directory=_FILES)))
