"""The list of jobs: its address holds the filter."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ...client import arguments
from ...events import JobState
from ...foresight.eta import Eta
from ...kinds import KINDS
from ...status import JobStatus
from ...terminal.html import Html, tag
from ..jobs.listing import Wanted, found_jobs, tag_of
from ..routes import Caller, Client, needs
from .forms import choice, field
from .page import ROOT, console_router, link, listed, may, page
from .words import job_link, model_link, moment, progress_bar, state_badge, tags_words, took

ROUTES = console_router()
PAUSED = "paused"
"""Stands beside the states in a filter."""
_PAGE = 50
_HEAD = ("Job", "Kind", "Model", "State", "Submitted", "Took", "Progress", "Tags")
_ACTS = {"cancel": "Cancel all that match", "pause": "Pause all", "resume": "Resume all", "resubmit": "Submit again"}


@ROUTES.get("/jobs", openapi_extra=needs("read"))
async def jobs(
    request: Request,
    client: Client,
    key: Caller,
    state: str = "",
    kind: str = "",
    model: str = "",
    tag: str = "",
    parent: str = "",
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = _PAGE,
) -> Response:
    """Jobs by state, kind, model, tag and parent, the newest first."""
    chosen = {"state": state, "kind": kind, "model": model, "tag": tag, "parent": parent}
    chosen = {name: value for name, value in chosen.items() if value}
    wanted = wanted_of(chosen)
    listing = await found_jobs(client, key, wanted, limit, before)
    etas = await client.etas(job for job in listing.jobs if job.state in (JobState.QUEUED, JobState.RUNNING))
    older = {**chosen, "before": listing.next or "", "limit": str(limit)}
    pages = [link(f"{ROOT}/jobs?{urlencode(chosen)}", "Newest")] if before else []
    pages += [link(f"{ROOT}/jobs?{urlencode(older)}", "Older")] if listing.next else []
    return page(
        request,
        "Jobs",
        _filter(chosen),
        _act_on_all(chosen) if may(request, "submit") and listing.jobs else "",
        jobs_table(listing.jobs, etas, none="No job matches."),
        _pages(pages),
        follows="jobs",
    )


def wanted_of(chosen: Mapping[str, str]) -> Wanted:
    """The jobs that a filter means.

    Raises:
        InvalidArgument: there is no such state, or the tag is none.
    """
    state = chosen.get("state", "")
    tags = dict([tag_of(chosen["tag"])]) if chosen.get("tag") else {}
    return Wanted(
        arguments.state(state) if state not in ("", PAUSED) else None,
        chosen.get("kind") or None,
        chosen.get("model") or None,
        tags,
        chosen.get("parent") or None,
        paused=state == PAUSED,
    )


def jobs_table(statuses: Sequence[JobStatus], etas: Mapping[str, Eta], *, none: str) -> Html:
    """Jobs, each in a row."""
    rows = [
        (
            job_link(status.id),
            status.kind,
            model_link(status.model),
            state_badge(status.state, paused=status.paused is not None),
            moment(status.submitted_at),
            took(status),
            progress_bar(status, etas.get(status.id)),
            tags_words(status.tags),
        )
        for status in statuses
    ]
    return listed("Jobs, the newest first", _HEAD, rows, none=none)


def _filter(chosen: Mapping[str, str]) -> Html:
    states = [("", "any"), *((state.lower(), state.lower()) for state in JobState), (PAUSED, PAUSED)]
    kinds = [("", "any"), *((kind, kind) for kind in KINDS)]
    return tag(
        "form",
        choice("State", "state", states, chosen.get("state", "")),
        choice("Kind", "kind", kinds, chosen.get("kind", "")),
        field("Model", "model", chosen.get("model", ""), placeholder="digits or digits@3"),
        field("Tag", "tag", chosen.get("tag", ""), placeholder="tenant=research"),
        field("Asked for by job", "parent", chosen.get("parent", "")),
        tag("button", "Show"),
        link(f"{ROOT}/jobs", "Show all"),
        class_="filter",
        role="search",
    )


def _act_on_all(chosen: Mapping[str, str]) -> Html:
    """What can be done with all that match, also beyond this page: the next page tells how many these are."""
    is_paused = chosen.get("state") == PAUSED
    if not chosen.keys() - ({"state"} if is_paused else set()) or "parent" in chosen:
        which = "kind, model or tag" if is_paused else "state, kind, model or tag"
        return tag("p", f"Filter by {which} to act on all jobs that match.", class_="hint")
    acts = [
        link(f"{ROOT}/jobs/act?{urlencode({**chosen, 'what': what})}", label)
        for what, label in _ACTS.items()
        if what == "resume" or not is_paused
    ]
    return tag("p", *acts, class_="acts")


def _pages(links: Sequence[Html]) -> Html:
    return tag("nav", *links, class_="pages", aria_label="More jobs") if links else Html("")
