"""`stoker cancel`, `pause`, `resume`, `resubmit`: one job, several, or all that match; queues and tenants too."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
import yaml

from ..client.blocking import Client
from ..client.job import Job
from ..client.many import Act, Acted, Filters
from ..errors import InvalidArgument
from ..events import JobState
from ..kinds import KINDS
from .jobs import name_and_value
from .output import SHORT_ID, AsJson, print_json, say, state_text
from .short_id import SEARCHED, whole_id

JobIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Ids of jobs, or their first characters.", show_default=False),
]
OfState = Annotated[
    JobState | None, typer.Option("--state", case_sensitive=False, help="All jobs in this state.", show_default=False)
]
OfKind = Annotated[str | None, typer.Option("--kind", help=f"All jobs of this kind: {', '.join(KINDS)}.")]
OfModel = Annotated[str | None, typer.Option("--model", help="All jobs of this model.")]
WithTags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="All jobs with this tag; may be repeated.")
]
Queues = Annotated[list[str] | None, typer.Option("--queue", help="A queue, such as cpu.train; may be repeated.")]
Tenants = Annotated[list[str] | None, typer.Option("--tenant", help="All jobs of a tenant; may be repeated.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="A field's new value, as YAML; may be repeated."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before acting on all that match.")]


def cancel(
    job_ids: JobIds = None,
    state: OfState = None,
    kind: OfKind = None,
    model: OfModel = None,
    tag: WithTags = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Stop jobs: at once if they are queued, at their next step if they run."""
    filters = _filters(state, kind, model, tag)
    with Client() as client:
        if _is_many(job_ids, filters):
            _ask("cancel", client, filters, yes=yes)
            _tell_all("cancelled", client.cancel_many(**filters), as_json)
        else:
            _tell_each(_each(client, job_ids, Job.cancel), as_json)


def pause(
    job_ids: JobIds = None,
    queue: Queues = None,
    tenant: Tenants = None,
    state: OfState = None,
    kind: OfKind = None,
    model: OfModel = None,
    tag: WithTags = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Pause jobs, or let a queue or a tenant start no more of them.

    A job that runs saves a checkpoint and leaves its slot; `stoker resume` lets it go on from there, on any worker.
    """
    filters = _filters(state, kind, model, tag)
    with Client() as client:
        if queue or tenant:
            _hold(
                Client.pause_queue, Client.pause_tenant, "paused", client, (job_ids, filters), (queue, tenant), as_json
            )
        elif _is_many(job_ids, filters):
            _ask("pause", client, filters, yes=yes)
            _tell_all("paused", client.pause_many(**filters), as_json)
        else:
            _tell_each(_each(client, job_ids, Job.pause), as_json)


def resume(
    job_ids: JobIds = None,
    queue: Queues = None,
    tenant: Tenants = None,
    state: OfState = None,
    kind: OfKind = None,
    model: OfModel = None,
    tag: WithTags = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let paused jobs, queues and tenants go on, each job in its old place."""
    filters = _filters(state, kind, model, tag)
    with Client() as client:
        if queue or tenant:
            held = (job_ids, filters)
            _hold(Client.resume_queue, Client.resume_tenant, "resumed", client, held, (queue, tenant), as_json)
        elif _is_many(job_ids, filters):
            _ask("resume", client, filters, yes=yes)
            _tell_all("resumed", client.resume_many(**filters), as_json)
        else:
            _tell_each(_each(client, job_ids, Job.resume), as_json)


def resubmit(
    job_ids: JobIds = None,
    changes: Changes = None,
    state: OfState = None,
    kind: OfKind = None,
    model: OfModel = None,
    tag: WithTags = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Submit jobs again, with other values of some fields.

    For example --set epochs=20 --set checkpoint.steps=100. Of those that match, the ones that ended without success.
    """
    filters = _filters(state, kind, model, tag)
    new = dict(map(_field_and_value, changes or ()))
    with Client() as client:
        if _is_many(job_ids, filters):
            _ask("resubmit", client, filters, yes=yes)
            _tell_all("submitted again", client.resubmit_many(new, **filters), as_json)
        else:
            _tell_each([client.resubmit(job.id, **new) for job in _named(client, job_ids)], as_json)


def _filters(state: JobState | None, kind: str | None, model: str | None, tags: list[str] | None) -> Filters:
    return {"state": state, "kind": kind, "model": model, "tags": dict(map(name_and_value, tags or ()))}


def _is_many(job_ids: list[str] | None, filters: Filters) -> bool:
    """Whether a filter says which jobs; refuses both and neither."""
    is_filtered = any(filters.values())
    if bool(job_ids) == is_filtered:
        raise InvalidArgument(
            "name jobs, or filter them by --state, --kind, --model and --tag, not both: `stoker jobs` lists them"
        )
    return is_filtered


def _field_and_value(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidArgument(f"a change is FIELD=VALUE, such as epochs=20; got {text!r}")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InvalidArgument(f"the value of {name} is no YAML: {' '.join(str(error).split())}") from None


def _ask(what: Act, client: Client, filters: Filters, *, yes: bool) -> None:
    """Have it confirmed how many jobs it will be; without a terminal, only --yes does.

    Raises:
        InvalidArgument: nobody can be asked.
    """
    if yes:
        return
    found = client.matching(what, **filters)
    names = ", ".join(
        f"{status.id[:SHORT_ID]} ({status.kind} {status.model}, {status.state})" for status in found.examples
    )
    example = f", such as {names}" if names else ""
    if not sys.stdin.isatty():
        raise InvalidArgument(f"{found.count} jobs match{example}: nobody can be asked here, --yes acts on them")
    say(f"{found.count} jobs match{example}")
    typer.confirm(f"{what} {found.count} jobs?", abort=True, err=True)


def _tell_all(done: str, acted: Acted, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(acted))
        return
    ended = f", {acted.ended} had ended" if acted.ended else ""
    refused = f", {acted.refused} were refused" if acted.refused else ""
    say(f"{acted.done} jobs are {done}{ended}{refused}")
    for reason in acted.reasons:
        say(f"  {reason}")


def _named(client: Client, job_ids: list[str] | None) -> list[Job]:
    return [client.job(whole_id(prefix, lambda: client.jobs(limit=SEARCHED), "jobs")) for prefix in job_ids or ()]


def _each(client: Client, job_ids: list[str] | None, act: Callable[[Job], None]) -> list[Job]:
    jobs = _named(client, job_ids)
    for job in jobs:
        act(job)
    return jobs


def _tell_each(jobs: list[Job], as_json: bool) -> None:
    statuses = [job.status() for job in jobs]
    if as_json:
        # One job is one document, as `stoker submit` and `result` have it.
        print_json(statuses[0] if len(statuses) == 1 else statuses)
        return
    for status in statuses:
        if status.state is JobState.RUNNING and status.cancel_requested:
            say(f"{status.id} was asked to stop")
        elif status.state is JobState.RUNNING and status.paused:
            say(f"{status.id} saves a checkpoint and leaves its slot")
        else:
            say(f"{status.id} is ", state_text(status.state), ", paused" if status.paused else "")


def _hold(
    to_queue: Callable[[Client, str], None],
    to_tenant: Callable[[Client, str], None],
    done: str,
    client: Client,
    jobs: tuple[list[str] | None, Filters],
    named: tuple[list[str] | None, list[str] | None],
    as_json: bool,
) -> None:
    """Pause or resume queues and tenants."""
    if jobs[0] or any(jobs[1].values()):
        raise InvalidArgument("--queue and --tenant mean all of their jobs: name or filter jobs in another command")
    queues, tenants = named[0] or [], named[1] or []
    for queue in queues:
        to_queue(client, queue)
    for tenant in tenants:
        to_tenant(client, tenant)
    if as_json:
        print_json({done: {"queues": queues, "tenants": tenants}})
        return
    for what in (*(f"queue {queue}" for queue in queues), *(f"tenant {tenant!r}" for tenant in tenants)):
        say(f"{what} is {done}")
