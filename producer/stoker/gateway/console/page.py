"""What all pages have in common: head, navigation, and what a browser may do with them."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...terminal.html import Html, lines, tag, void
from ...version import VERSION
from ..auth.admission import KEY
from ..auth.keys import ApiKey
from ..routes import GuardedRoute

ROOT = "/console"
PLACES: Mapping[str, str] = {
    ROOT: "Overview",
    f"{ROOT}/jobs": "Jobs",
    f"{ROOT}/tune": "Tuning",
    f"{ROOT}/models": "Models",
    f"{ROOT}/drift": "Drift",
    f"{ROOT}/alarms": "Alarms",
    f"{ROOT}/fleets": "Fleets",
    f"{ROOT}/schedules": "Schedules",
    f"{ROOT}/dead": "Dead letters",
    f"{ROOT}/usage": "Usage",
    f"{ROOT}/audit": "Audit",
}
TRY = f"{ROOT}/try"
"""Where those begin whose key predicts, and reads nothing."""
# Nothing but this gateway's own files, and no script or style within a page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAID, _LONGEST_SAID = "stoker_said", 1000
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def console_router() -> APIRouter:
    """A table of pages, which say what they need as all routes do."""
    return APIRouter(prefix=ROOT, route_class=GuardedRoute, include_in_schema=False)


def page(request: Request, title: str, *content: str, follows: str = "", status: int = 200) -> Response:
    """A page.

    Args:
        content: what stands below its title.
        follows: what makes it out of date: "jobs" for any job's news, or a job's id; "" for a page that stays.
    """
    head = tag("h1", title)
    said = _said(request)
    news = tag("p", said, id="news", role="status")
    main = tag("main", head, *content, id="main", tabindex="-1", data_follows=follows)
    document = tag("html", _head(title), tag("body", _skip(), _header(request), news, main), lang="en")
    response = Response(f"<!doctype html>\n{document}", status, HEADERS, "text/html; charset=utf-8")
    if said:
        response.delete_cookie(_SAID, path=ROOT)
    return response


def back_to(path: str, said: str = "") -> Response:
    """Send a browser on after a form, which it does not send again when the page is loaded anew."""
    response = RedirectResponse(path, 303)
    if said:
        response.set_cookie(_SAID, said.encode()[:_LONGEST_SAID].hex(), path=ROOT, httponly=True, samesite="strict")
    return response


def section(title: str, *content: str, **attributes: str) -> Html:
    """A part of a page with a title of its own."""
    return tag("section", tag("h2", title), *content, **attributes)


def link(path: str, text: str, **attributes: str) -> Html:
    """A link to another page."""
    return tag("a", text, href=path, **attributes)


def listed(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, none: str) -> Html:
    """A table that scrolls by itself where it is wide; a sentence if it has no rows."""
    if not rows:
        return tag("p", none, class_="none")
    columns = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head)))
    body = tag("tbody", lines(*(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)))
    table = tag("table", tag("caption", caption), columns, body)
    return tag("div", table, class_="wide", tabindex="0", role="region", aria_label=caption)


def facts(rows: Sequence[tuple[str, str]]) -> Html:
    """Names and values; those without a value are left out."""
    return tag("dl", *(part for name, value in rows if value for part in (tag("dt", name), tag("dd", value))))


def may(request: Request, need: Any) -> bool:
    """Whether the reader's key is enough for something: what it is not enough for is not offered."""
    allowed: bool = request.scope[KEY].may(need)
    return allowed


def first_page(key: ApiKey) -> str:
    """Where somebody with a key comes in: the first page that it may read."""
    return ROOT if key.may("read") else TRY


def _head(title: str) -> Html:
    return tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · Stoker"),
        void("link", rel="stylesheet", href=f"{ROOT}/static/console.css"),
        void("link", rel="icon", href=f"{ROOT}/static/icon.svg"),
        tag("script", "", src=f"{ROOT}/static/vendor/idiomorph.min.js", defer=""),
        tag("script", "", src=f"{ROOT}/static/console.js", type="module"),
    )


def _skip() -> Html:
    return link("#main", "Skip to content", class_="skip")


def _header(request: Request) -> Html:
    if KEY not in request.scope:
        return tag("header", tag("span", "Stoker", class_="brand"))
    key, path = request.scope[KEY], request.url.path
    places: Mapping[str, str] = {TRY: "Try it"}
    if key.may("read"):
        places = PLACES
        path = path.replace(f"{TRY}/", f"{ROOT}/models/").replace(f"{ROOT}/compare", f"{ROOT}/models")
    here = max((place for place in places if path == place or path.startswith(f"{place}/")), key=len, default="")
    items = [
        tag("li", link(place, name, **({"aria_current": "page"} if place == here else {})))
        for place, name in places.items()
    ]
    brand = link(first_page(key), "Stoker", class_="brand", title=f"Stoker {VERSION}")
    who = tag("span", f"{key.name} ({key.role})", class_="who")
    theme = tag("button", "Theme", type="button", id="theme", hidden="")
    leave = tag("form", tag("button", "Log out"), method="post", action=f"{ROOT}/logout", class_="inline")
    return tag("header", brand, tag("nav", tag("ul", *items), aria_label="Pages"), who, theme, leave)


def _said(request: Request) -> str:
    """What the form before this page has done, in a sentence."""
    try:
        return bytes.fromhex(request.cookies.get(_SAID, "")).decode(errors="replace")
    except ValueError:
        # Something else than this gateway has set it.
        return ""
