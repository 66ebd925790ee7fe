"""One job: how far it is, its curves, attempts, logs, files, and what can be done with it."""

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from ... import PastAttempt
from ...client.async_job import AsyncJob
from ...errors import WITHOUT_RESULT, StokerError
from ...events import Event, JobState, Log
from ...foresight.eta import Eta
from ...kinds import Result
from ...kinds.rollout import APPROVAL_AWAITED
from ...models.manifest import Artifact
from ...status import JobStatus
from ...terminal.amounts import duration, size_text
from ...terminal.html import Html, block, tag, void
from ..auth.keys import ApiKey
from ..auth.scopes import approves, sees, visible
from ..jobs.approving import LONGEST_NOTE, role_of
from ..routes import Caller, Client, needs
from .curves import curves
from .forms import button, field
from .job_acts import yaml_of
from .page import ROOT, console_router, facts, link, listed, may, page, section
from .reports import MOST_BYTES
from .words import job_link, model_link, moment, progress_bar, state_badge, tags_words, took

ROUTES = console_router()
_EVENTS = 200
_LOG_LINES = 500


@ROUTES.get("/jobs/{job_id}", openapi_extra=needs("read"))
async def job(request: Request, client: Client, key: Caller, job_id: str) -> Response:
    """One job."""
    handle, status = await visible(key, client, job_id)
    events, eta, spec = await handle.events_so_far(), await handle.eta(), await handle.spec()
    children = [child for child in await client.jobs(parent=job_id, limit=50) if sees(key, child)]
    return page(
        request,
        f"{status.kind} {status.model}",
        _head(request, status, eta),
        _approval(key, status, role_of(spec)) if may(request, "submit") else "",
        curves(events),
        await _result(handle, status),
        _attempts(await handle.attempts()),
        section("Jobs that it asked for", _children(children)) if children else "",
        await _log(handle),
        section("Spec", tag("pre", block(yaml_of(spec)), tabindex="0")),
        _events(events),
        follows=job_id,
    )


def _head(request: Request, status: JobStatus, eta: Eta) -> Html:
    rows = [
        ("State", state_badge(status.state, paused=status.paused is not None)),
        ("Progress", progress_bar(status) if not status.state.final else ""),
        ("Foreseen", eta.words() if not status.state.final else ""),
        ("Id", tag("code", status.id)),
        ("Model", model_link(status.model) if status.model else ""),
        ("Queue", f"{status.queue}, {status.priority} priority"),
        ("Submitted", moment(status.submitted_at)),
        ("Started", moment(status.started_at)),
        ("Ended", moment(status.finished_at)),
        ("Took", took(status)),
        ("Attempt", str(status.attempt) if status.attempt else ""),
        ("Worker", status.worker or ""),
        ("Trials", link(f"{ROOT}/tune/{status.id}", "all of them, the best first") if status.kind == "tune" else ""),
        ("Found", link(f"{ROOT}/drift/{_name(status)}", "drift and alarms") if status.kind == "monitor" else ""),
        ("Asked for by", job_link(status.parent) if status.parent else ""),
        ("Submitted again from", job_link(status.resubmits) if status.resubmits else ""),
        ("Tags", tags_words(status.tags) if status.tags else ""),
    ]
    return tag("div", facts(rows), _buttons(status) if may(request, "submit") else "", class_="summary")


def _name(status: JobStatus) -> str:
    return status.model.partition("@")[0]


def _buttons(status: JobStatus) -> Html:
    place, made = f"{ROOT}/jobs/{status.id}", []
    if not status.state.final:
        made.append(button(f"{place}/cancel", "Cancel", sure="Cancel this job?", kind="danger"))
        made.append(button(f"{place}/resume", "Resume") if status.paused else button(f"{place}/pause", "Pause"))
    elif status.state is not JobState.SUCCEEDED:
        made.append(button(f"{place}/retry", "Retry"))
    made.append(link(f"{place}/again", "Submit again with edits"))
    return tag("div", *made, class_="acts")


def _approval(key: ApiKey, status: JobStatus, role: str | None) -> Html:
    """What somebody of the role that a deployment waits for may say to it."""
    # One that was approved waits on, for its steps.
    is_awaited = status.state is JobState.WAITING and (status.reason or "").startswith(APPROVAL_AWAITED)
    if role is None or not is_awaited or not approves(key, role):
        return Html("")
    place = f"{ROOT}/jobs/{status.id}"
    grant = tag("button", "Approve", class_="first")
    refuse = tag("button", "Refuse", class_="danger", formaction=f"{place}/refuse")
    note = field("Why", "note", maxlength=str(LONGEST_NOTE))
    form = tag("form", note, tag("p", grant, refuse, class_="acts"), method="post", action=f"{place}/approve")
    return section("Approval", tag("p", f"It goes on when {role} approve it. The first word holds."), form)


async def _result(handle: AsyncJob[Result], status: JobStatus) -> Html:
    """What it gave, with its files; or why it gave nothing."""
    if not status.state.final:
        return Html("")
    try:
        result = await handle.result(0)
    except WITHOUT_RESULT as error:
        return section("How it ended", tag("p", error.message), _traceback(error.traceback))
    except StokerError as error:
        return section("How it ended", tag("p", error.message, class_="alert"))
    shown = result.shown()
    head, *rows = shown.table or ((),)
    ref = result.gives_model()
    return section(
        "Result",
        tag("p", tag("b", shown.subject), " ", shown.about),
        listed("Result", head, rows, none="") if rows else "",
        *(tag("p", note) for note in shown.notes),
        *(tag("p", warning, class_="alert") for warning in shown.warnings),
        tag("p", "It gave the model ", model_link(ref), ".") if ref else "",
        _files(status.id, shown.files) if shown.files else "",
    )


def _traceback(text: str | None) -> Html:
    return tag("details", tag("summary", "Traceback"), tag("pre", block(text)), id="traceback") if text else Html("")


def _files(job_id: str, files: Mapping[str, Artifact]) -> Html:
    rows = [
        (
            _file_link(job_id, name, file),
            size_text(file.size),
            tag("code", file.digest[:12], title=file.digest),
        )
        for name, file in files.items()
    ]
    return listed("Files", ("File", "Size", "SHA-256"), rows, none="")


def _file_link(job_id: str, name: str, file: Artifact) -> Html:
    """A report is opened, all else is saved."""
    is_page = file.name.endswith(".html") and file.size <= MOST_BYTES
    return link(f"{ROOT if is_page else '/v1'}/jobs/{job_id}/files/{name}", file.name)


def _attempts(attempts: Sequence[PastAttempt]) -> Html:
    if not attempts:
        return Html("")
    head = ("Attempt", "Worker", "How", "Started", "Took", "Why")
    rows = [
        (
            str(past.attempt),
            past.worker,
            past.how,
            moment(past.started_at),
            duration((past.ended_at - past.started_at).total_seconds()),
            past.reason or "",
        )
        for past in attempts
    ]
    return section("Attempts", listed("Attempts that have ended", head, rows, none=""))


def _children(children: Sequence[JobStatus]) -> Html:
    head = ("Job", "Kind", "State", "What", "Progress")
    rows = [
        (job_link(child.id), child.kind, state_badge(child.state), child.summary, progress_bar(child))
        for child in children
    ]
    return listed("Jobs that it asked for", head, rows, none="")


async def _log(handle: AsyncJob[Result]) -> Html:
    lines = await handle.logs()
    if not lines:
        return Html("")
    typed = void("input", type="search", data_searches="log")
    search = tag("label", tag("span", "Search"), typed, hidden="", class_="search")
    many = f"The last {_LOG_LINES:,} of {len(lines):,} lines. " if len(lines) > _LOG_LINES else ""
    whole = tag("p", many, link(f"/v1/jobs/{handle.id}/logs", "All as JSON"))
    return section("Log", search, whole, tag("pre", block("\n".join(lines[-_LOG_LINES:])), id="log", tabindex="0"))


def _events(events: Sequence[Event]) -> Html:
    told = [event for event in events if not isinstance(event, Log)][-_EVENTS:]
    rows = [(f"{event.at:%H:%M:%S}" if event.at else "", event.type, event.words()) for event in reversed(told)]
    table = listed("Events, the newest first", ("At (UTC)", "Event", "In words"), rows, none="There are none.")
    return section("Events", tag("details", tag("summary", f"The newest {len(rows)}"), table, id="table-of-events"))
