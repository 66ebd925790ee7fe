"""Coming in: by an API key, or once by the link that a starting gateway prints; and going out."""

import asyncio
import re
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ...terminal.html import tag, void
from ..auth.keys import ApiKey, is_valid
from ..auth.sessions import COOKIE, LASTS_S, cookie_of
from ..bodies import Body, BoundedRequest
from ..door import HEAD
from ..problems import Problem
from ..routes import needs, state_of
from .forms import field, sent
from .page import ROOT, console_router, first_page, page

ROUTES = console_router()
PATH = f"{ROOT}/login"
_LONGEST_FORM = 4096


def login_page(path: str) -> str:
    """Where somebody without a session logs in, and comes back from."""
    return f"{PATH}?{urlencode({'next': path})}"


async def show(request: Request) -> Response:
    """The form; with the token of a login link, in without one."""
    link = state_of(request).login_link
    token = request.query_params.get("once", "")
    if token and _is_opened(request):
        key = link.take(token) if link else None
        return _let_in(request, key, ROOT) if key else _form(request, "This link was used before, or is too old.")
    return _form(request)


def _is_opened(request: Request) -> bool:
    """Whether somebody opens a page: what asks beforehand, such as a preview, does not use a link up."""
    return HEAD not in request.scope and "prefetch" not in request.headers.get("sec-purpose", "")


async def enter(request: Request) -> Response:
    """Let somebody in who has a key."""
    state = state_of(request)
    with Body(state.room, _LONGEST_FORM) as body:
        given = await sent(BoundedRequest(request, body))
    key = state.gate.keys.key(given.get("key", "").encode())
    if key is None or not is_valid(key):
        # A guess costs as long as a look.
        await asyncio.sleep(0.2)
        return _form(request, "There is no such key, or it has ended.", given.get("next", ""))
    return _let_in(request, key, given.get("next", ""))


@ROUTES.post("/logout", openapi_extra=needs("any"))
async def leave() -> Response:
    """End a session in this browser."""
    response = RedirectResponse(PATH, 303)
    response.delete_cookie(COOKIE, path="/")
    return response


def _let_in(request: Request, key: ApiKey, path: str) -> Response:
    # Never to another site.
    is_ours = path == ROOT or path.startswith((f"{ROOT}/", f"{ROOT}?"))
    response = RedirectResponse(path if is_ours and path != ROOT else first_page(key), 303)
    headers = request.headers
    # A link has no origin; whoever lies about this is kept from logging in by their own browser alone.
    is_encrypted = headers.get("origin", "").startswith("https:") or headers.get("x-forwarded-proto") == "https"
    response.set_cookie(
        COOKIE, cookie_of(key), max_age=LASTS_S, path="/", secure=is_encrypted, httponly=True, samesite="strict"
    )
    return response


def _form(request: Request, wrong: str = "", path: str | None = None) -> Response:
    to = request.query_params.get("next", "") if path is None else path
    return page(
        request,
        "Log in",
        tag("p", wrong, class_="alert", role="alert") if wrong else "",
        tag(
            "form",
            field("API key", "key", type_="password", autocomplete="current-password", required="", autofocus=""),
            void("input", type="hidden", name="next", value=to),
            tag("button", "Log in", class_="first"),
            tag("p", "`stoker gateway new-key NAME --role operator` makes one.", class_="hint"),
            method="post",
            action=PATH,
        ),
        status=401 if wrong else 200,
    )


def refused(request: Request, problem: Problem) -> Response:
    """An error as a page; who has no session is sent to log in."""
    if problem.status_code == 401:
        path = request.url.path if request.method == "GET" else ROOT
        query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
        return RedirectResponse(login_page(path + query), 303)
    said = tag("p", str(problem.detail), class_="alert", role="alert")
    return page(request, _words(problem.code), said, status=problem.status_code)


def _words(code: str) -> str:
    """The name of an error as a title: "Job not found"."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", code).capitalize()


PUBLIC = (Route(PATH, show), Route(PATH, enter, methods=["POST"]))
