"""What can be done with one job."""

import asyncio
from collections.abc import Mapping
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from ...errors import InvalidArgument, StokerError
from ...kinds import Spec
from ...terminal.html import tag
from ..auth.scopes import visible
from ..jobs.acts import act
from ..jobs.approving import say
from ..routes import Caller, Client, needs
from .forms import area, sent
from .page import ROOT, back_to, console_router, link, page

ROUTES = console_router()
_LONGEST = 64 * 1024
# What is the job's own, and not the new one's.
_ONCE = ("kind", "after", "not_before")


@ROUTES.post("/jobs/{job_id}/cancel", openapi_extra=needs("submit"))
async def cancel(client: Client, key: Caller, job_id: str) -> Response:
    """Stop a job."""
    await act(client, key, "cancel", job_id)
    return back_to(f"{ROOT}/jobs/{job_id}", "Cancelled: it ends at its next step.")


@ROUTES.post("/jobs/{job_id}/pause", openapi_extra=needs("submit"))
async def pause(client: Client, key: Caller, job_id: str) -> Response:
    """Pause a job."""
    await act(client, key, "pause", job_id)
    return back_to(f"{ROOT}/jobs/{job_id}", "Paused: if it runs, it saves a checkpoint first.")


@ROUTES.post("/jobs/{job_id}/resume", openapi_extra=needs("submit"))
async def resume(client: Client, key: Caller, job_id: str) -> Response:
    """Let a paused job go on."""
    await act(client, key, "resume", job_id)
    return back_to(f"{ROOT}/jobs/{job_id}", "Resumed.")


@ROUTES.post("/jobs/{job_id}/retry", openapi_extra=needs("submit"))
async def retry(client: Client, key: Caller, job_id: str) -> Response:
    """Submit a job again that has ended without a result."""
    new = await act(client, key, "retry", job_id)
    return back_to(f"{ROOT}/jobs/{new.id}", f"Submitted again: this is the new job, after {job_id[:8]}.")


@ROUTES.post("/jobs/{job_id}/approve", openapi_extra=needs("submit"))
async def approve(request: Request, client: Client, key: Caller, job_id: str) -> Response:
    """Let a deployment go on that waits for an approval."""
    await say(client, key, job_id, (await sent(request)).get("note", ""), is_granted=True)
    return back_to(f"{ROOT}/jobs/{job_id}", "Approved: it goes on within a second.")


@ROUTES.post("/jobs/{job_id}/refuse", openapi_extra=needs("submit"))
async def refuse(request: Request, client: Client, key: Caller, job_id: str) -> Response:
    """End a deployment that waits for an approval."""
    await say(client, key, job_id, (await sent(request)).get("note", ""), is_granted=False)
    return back_to(f"{ROOT}/jobs/{job_id}", "Refused: it ends within a second.")


@ROUTES.get("/jobs/{job_id}/again", openapi_extra=needs("submit"))
async def edit(request: Request, client: Client, key: Caller, job_id: str) -> Response:
    """A job's spec, to be changed and submitted again."""
    job, _ = await visible(key, client, job_id)
    return _form(request, job_id, yaml_of(await job.spec()))


@ROUTES.post("/jobs/{job_id}/again", openapi_extra=needs("submit"))
async def again(request: Request, client: Client, key: Caller, job_id: str) -> Response:
    """Submit a job's spec again, with what was changed in it; the form once more if that is wrong."""
    job, _ = await visible(key, client, job_id)
    text = (await sent(request)).get("spec", "")
    spec = await job.spec()
    try:
        changes = await asyncio.to_thread(_changes, spec, text)
        new = await act(client, key, "resubmit", job_id, changes)
    except StokerError as error:
        return _form(request, job_id, text, error.message)
    names = ", ".join(sorted(changes)) or "nothing"
    return back_to(f"{ROOT}/jobs/{new.id}", f"Submitted again, with {names} changed: this is the new job.")


def yaml_of(spec: Spec) -> str:
    """A spec as people write one: without what is as it would be anyway."""
    return yaml.safe_dump({"kind": spec.kind, **_brief(spec)}, sort_keys=False, allow_unicode=True, width=100)


def _brief(spec: Spec) -> dict[str, Any]:
    document: dict[str, Any] = spec.model_dump(mode="json", include=_said(spec), exclude_none=True)
    return document


def _said(spec: Spec) -> set[str]:
    """The fields in which a spec differs from one of which as little as possible was said."""
    fields = type(spec).model_fields
    return {
        name
        for name, field in fields.items()
        if (getattr(spec, name) if field.default_factory else getattr(spec, name) != field.default)
    }


def _form(request: Request, job_id: str, text: str, wrong: str = "") -> Response:
    return page(
        request,
        "Submit again",
        tag("p", wrong, class_="alert", role="alert") if wrong else "",
        tag(
            "form",
            area("What to do, as YAML", "spec", text, rows=24, hint="A line that is taken away is as by default."),
            tag("p", tag("button", "Submit", class_="first"), link(f"{ROOT}/jobs/{job_id}", "Leave it"), class_="acts"),
            method="post",
            action=f"{ROOT}/jobs/{job_id}/again",
        ),
        status=422 if wrong else 200,
    )


def _changes(spec: Spec, text: str) -> Mapping[str, Any]:
    """What a text says otherwise than a spec, by field.

    Raises:
        InvalidArgument: it is no YAML, or changes what sort of job it is.
    """
    wanted = _yaml(text)
    if not isinstance(wanted, dict) or not all(isinstance(name, str) for name in wanted):
        raise InvalidArgument("a job is written as FIELD: VALUE, a line for each")
    if wanted.get("kind") != spec.kind:
        raise InvalidArgument(f"this is a {spec.kind} job, and stays one: submit another kind by `stoker submit FILE`")
    before, fields = spec.model_dump(mode="json") | _brief(spec), type(spec).model_fields
    changes = {name: value for name, value in wanted.items() if name not in _ONCE and before.get(name) != value}
    for name in _said(spec) - wanted.keys() - set(_ONCE):
        if not fields[name].is_required() and not fields[name].default_factory:
            changes[name] = fields[name].default
    return changes


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML in which nothing stands for something else: a few lines of that can mean gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise InvalidArgument("this names a part by *, which is not taken here: write it out")
        return super().compose_node(parent, index)


def _yaml(text: str) -> Any:
    """What a text holds.

    Raises:
        InvalidArgument: it is no YAML, or too much.
    """
    if len(text) > _LONGEST:
        raise InvalidArgument(f"this is longer than {_LONGEST:,} characters: use `stoker submit FILE`")
    try:
        return yaml.load(text, _PlainLoader)
    except yaml.YAMLError as error:
        raise InvalidArgument(f"this is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InvalidArgument("this is nested too deep") from None
    except InvalidArgument:
        raise
    except (ValueError, LookupError, AttributeError) as error:
        # Such as the 99th of a month, or a tag whose value is none of it.
        raise InvalidArgument(f"this has a value that YAML cannot read: {error}") from None
