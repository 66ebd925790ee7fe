"""The gateway as an app of ASGI."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from ..client.noting import NotingClient
from ..errors import StokerError
from ..models.access import Access
from ..settings import Settings
from ..version import VERSION
from . import health, openapi
from .auth.admission import KEY, Gate
from .auth.keys import KeyRing
from .auth.sharing import share
from .console.app import PUBLIC as CONSOLE_PUBLIC
from .console.app import TABLES as CONSOLE
from .console.entering import refused
from .console.page import ROOT
from .door import Door, Rules
from .files import made, uploads
from .files.documents import PATTERNS
from .fleet import routes as fleet
from .jobs import acting, approving, many, reading, submitting
from .models import routes as models
from .oip import Beside, OpenInference
from .problems import Problem, of_error
from .routes import state_of
from .schedules import routes as schedules
from .sse import routes as events
from .state import State
from .webhooks import routes as webhooks

_TABLES = (
    openapi.ROUTES,
    submitting.ROUTES,
    reading.ROUTES,
    acting.ROUTES,
    many.ROUTES,
    approving.ROUTES,
    schedules.ROUTES,
    events.ROUTES,
    models.ROUTES,
    fleet.ROUTES,
    uploads.ROUTES,
    made.ROUTES,
    webhooks.ROUTES,
    *CONSOLE,
)
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def make_app(settings: Settings, keys: KeyRing) -> tuple[Door, State]:
    """The gateway, and what it holds.

    Args:
        keys: those that come in.
    """
    access = Access(settings.data_roots, settings.store_place)
    state = State(settings, Gate(keys), NotingClient(settings=settings), access)

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        beside = [asyncio.create_task(state.refusals.run())]
        beside.append(asyncio.create_task(share(state.gate.rates, state.client)))
        yield
        state.ending.set()
        await state.feed.close()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await state.client.close()

    app = FastAPI(
        title="Stoker",
        version=VERSION,
        summary="Machine-learning jobs as a service.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=running,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        routes=[*health.ROUTES, *CONSOLE_PUBLIC],
    )
    app.state.gateway = state
    for table in _TABLES:
        # One flat table, which says of every route what it needs.
        app.router.routes.extend(table.routes)
    protocol = OpenInference(state.client, state.gate.admit, state.room, settings.gateway_body_bytes)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(StokerError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(Exception, _answer_failure)
    return Door(Beside(app, protocol), _rules(settings), state.refusals), state


def _rules(settings: Settings) -> Rules:
    named = map(_as_in_header, (*settings.gateway_hosts, settings.gateway_host))
    return Rules(
        hosts=frozenset((*_LOOPBACK, *named)),
        origins=frozenset(settings.gateway_origins),
        requests=settings.gateway_connections,
        body_bytes=settings.gateway_body_bytes,
        file_bytes=settings.gateway_file_bytes,
    )


def _as_in_header(host: str) -> str:
    """A host as callers name it: an address of IPv6 has brackets."""
    return f"[{host.lower()}]" if ":" in host and not host.startswith("[") else host.lower()


async def _answer_http(request: Request, error: Exception) -> Response:
    """What is routed nowhere is told to those who may come in, and to nobody else."""
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        return _shown(request, error)
    try:
        if KEY not in request.scope:
            state_of(request).gate.identify(request.scope)
    except Problem as problem:
        return _shown(request, problem)
    return _shown(request, _unrouted(request, error))


def _unrouted(request: Request, error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem(404, "NotFound", "there is nothing here: GET /v1/openapi.json lists what there is")
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods(request)))
        return Problem(405, "MethodNotAllowed", f"this takes {allowed}", headers={"Allow": allowed})
    return Problem(error.status_code, "Refused", str(error.detail), headers=error.headers)


def _methods(request: Request) -> set[str]:
    """What may be done at the path of a request."""
    methods = {"OPTIONS"}
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods | {"HEAD"} if "GET" in methods else methods


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StokerError)
    return _shown(request, of_error(error))


async def _answer_invalid(request: Request, error: Exception) -> Response:
    """A parameter or a field that is wrong, in one sentence."""
    assert isinstance(error, RequestValidationError)
    first, *more = error.errors()
    # A step such as list[dict] is pydantic's name for one of several types that are allowed.
    where = ".".join(str(step) for step in first["loc"][1:] if "[" not in str(step)) or str(first["loc"][0])
    others = f" (and {len(more)} more)" if more else ""
    status = 422 if first["loc"][0] == "body" else 400
    code = "InvalidBody" if status == 422 else "InvalidArgument"
    return _shown(request, Problem(status, code, f"{where[:100]}: {_why(first)}{others}"))


def _why(error: Mapping[str, Any]) -> str:
    """What is wrong, as pydantic says it; in words of ours where that would be of no help."""
    if error["type"] == "missing":
        return "there is none: send a document of JSON" if error["loc"] == ("body",) else "it is missing"
    if error["type"] == "string_pattern_mismatch" and (words := PATTERNS.get(error["ctx"]["pattern"])):
        return f"{str(error['input'])[:100]!r} is not taken: expected {words}"
    return str(error["msg"])[:500]


async def _answer_failure(request: Request, _error: Exception) -> Response:
    """What nobody foresaw: the server logs it, and the caller is told that it is not theirs."""
    return _shown(request, Problem(500, "InternalError", "the gateway failed at this: its log says why"))


def _shown(request: Request, problem: Problem) -> Response:
    """A problem as programs read it, or as a page where a browser asks for one."""
    is_page = request.url.path.startswith(ROOT) and "text/html" in request.headers.get("accept", "")
    return refused(request, problem) if is_page else problem.response()
