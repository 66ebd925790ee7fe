"""Acting on all jobs that match a filter: first how many these are, then the act."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...client.many import Act, Acted, Filters
from ...terminal.html import tag, void
from ..auth.keys import ApiKey
from ..auth.scopes import ALL
from ..problems import Problem
from ..routes import Caller, Client, needs
from .forms import sent
from .jobs import jobs_table, wanted_of
from .page import ROOT, back_to, console_router, link, page

ROUTES = console_router()
_VERBS: Mapping[Act, str] = {"cancel": "Cancel", "pause": "Pause", "resume": "Resume", "resubmit": "Submit again"}
_DONE: Mapping[Act, str] = {
    "cancel": "Cancelled",
    "pause": "Paused",
    "resume": "Resumed",
    "resubmit": "Submitted again",
}
_OPEN_ONLY = "No job matches that has not ended."
_NONE: Mapping[Act, str] = {
    "cancel": _OPEN_ONLY,
    "pause": _OPEN_ONLY,
    "resume": "No job matches that is paused.",
    "resubmit": "No job matches that has ended without success. Choose the state SUCCEEDED to submit those again, too.",
}
_FILTERS = ("state", "kind", "model", "tag")


@ROUTES.get("/jobs/act", openapi_extra=needs("submit"))
async def ask(request: Request, client: Client, key: Caller) -> Response:
    """Say what would be done, and to how many jobs."""
    asked = dict(request.query_params)
    what = _act(asked)
    matching = await client.matching(what, **_filters(key, what, asked))
    chosen = {name: asked[name] for name in _FILTERS if asked.get(name)}
    verb, many = _VERBS[what], f"{matching.count:,} job{'s' if matching.count != 1 else ''}"
    if not matching.count:
        return page(request, f"{verb}: no job", tag("p", _NONE[what]))
    hidden = [void("input", type="hidden", name=name, value=value) for name, value in {**chosen, "what": what}.items()]
    which = ", ".join(f"{name} {value}" for name, value in chosen.items())
    leave = link(f"{ROOT}/jobs", "Leave them alone")
    button = tag("button", f"{verb} {many}", class_="danger")
    return page(
        request,
        f"{verb}: {many}",
        tag("p", "All that match ", tag("b", which), "; the newest are:"),
        jobs_table(matching.examples, {}, none=""),
        tag("form", *hidden, tag("p", button, leave, class_="acts"), method="post", action=f"{ROOT}/jobs/act"),
    )


@ROUTES.post("/jobs/act", openapi_extra=needs("submit"))
async def act(request: Request, client: Client, key: Caller) -> Response:
    """Do it."""
    asked = await sent(request)
    what = _act(asked)
    filters = _filters(key, what, asked)
    acted: Acted = await getattr(client, f"{what}_many")(**filters)
    return back_to(f"{ROOT}/jobs", _words(what, acted))


def _act(asked: Mapping[str, str]) -> Act:
    for what in _VERBS:
        if asked.get("what") == what:
            return what
    raise Problem(400, "InvalidArgument", f"what can be done with many jobs is one of {', '.join(_VERBS)}")


def _filters(key: ApiKey, what: Act, asked: Mapping[str, str]) -> Filters:
    """The jobs that a form means.

    Raises:
        Problem: 403, the key may act on but a part of the jobs; 400, paused ones can only be resumed by one act.
        InvalidArgument: there is no such state, or the tag is none.
    """
    if not key.tenants == key.models == key.kinds == key.functions == key.aliases == key.devices == ALL:
        raise Problem(403, "Forbidden", f"key {key.id} ({key.name}) is for some jobs alone: act on them one by one")
    wanted = wanted_of(asked)
    if wanted.paused and what != "resume":
        # The filter of the act knows states alone: it would take the jobs that run and wait as well.
        raise Problem(400, "InvalidArgument", f"all paused jobs are resumed by one act; {what} them one by one")
    return Filters(state=wanted.state, kind=wanted.kind, model=wanted.model, tags=wanted.tags or None)


def _words(what: Act, acted: Acted) -> str:
    parts = [f"{_DONE[what]} {acted.done:,}"]
    parts += [f"{acted.ended:,} had ended"] if acted.ended else []
    parts += [f"{acted.refused:,} refused: {acted.reasons[0]}"] if acted.refused else []
    return "; ".join(parts)
