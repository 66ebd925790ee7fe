"""`stoker cancel`, `pause`, `resume`, `resubmit`: one job, several, or all that match; queues and tenants too."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from ..client.blocking import Client
from ..client.job import Job
from ..client.many import Act, Acted, Filters
from ..errors import InvalidArgument, StokerError
from ..events import JobState
from ..kinds import KINDS
from ..status import JobStatus
from ..terminal.exits import status_of
from .asking import Yes, ask
from .job_file import read_value
from .jobs import name_and_value
from .moments import moment
from .output import SHORT_ID, AsJson, print_json, say, say_error, state_text
from .short_id import SEARCHED, whole_id

JobIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Ids of jobs, or their first characters.", show_default=False),
]
OfState = Annotated[
    JobState | None, typer.Option("--state", case_sensitive=False, help="All jobs in this state.", show_default=False)
]
OfKind = Annotated[str | None, typer.Option("--kind", help=f"All jobs of this kind: {', '.join(KINDS)}.")]
OfModel = Annotated[str | None, typer.Option("--model", help="All jobs of this model.")]
WithTags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="All jobs with this tag; may be repeated.")
]
Since = Annotated[str | None, typer.Option("--since", help="All jobs submitted since: 30m, 12h, 7d, or a time.")]
Until = Annotated[str | None, typer.Option("--until", help="All jobs submitted before that; as --since.")]
Queues = Annotated[list[str] | None, typer.Option("--queue", help="A queue, such as cpu.train; may be repeated.")]
Tenants = Annotated[list[str] | None, typer.Option("--tenant", help="All jobs of a tenant; may be repeated.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="A field's new value, as YAML; may be repeated."),
]


def cancel(
    job_ids: JobIds = None,
    state: OfState = None,
    kind: OfKind = None,
    model: OfModel = None,
    tag: WithTags = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Stop jobs: at once if they are queued, at their next step if they run."""
    filters = _filters(state, kind, model, tag, since, until)
    with Client() as client:
        if _is_many(job_ids, filters):
            is_meant = yes or _is_confirmed("cancel", client, filters)
            _tell_all("cancelled", client.cancel_many(**filters) if is_meant else Acted(), as_json)
        else:
            _act_on_each(client, job_ids, Job.cancel, as_json)


def pause(
    job_ids: JobIds = None,
    queue: Queues = None,
    tenant: Tenants = None,
    state: OfState = None,
    kind: OfKind = None,
    model: OfModel = None,
    tag: WithTags = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Pause jobs, or let a queue or a tenant start no more of them.

    A job that runs saves a checkpoint and leaves its slot; `stoker resume` lets it go on from there, on any worker.
    """
    filters = _filters(state, kind, model, tag, since, until)
    with Client() as client:
        if queue or tenant:
            _hold(
                Client.pause_queue, Client.pause_tenant, "paused", client, (job_ids, filters), (queue, tenant), as_json
            )
        elif _is_many(job_ids, filters):
            is_meant = yes or _is_confirmed("pause", client, filters)
            _tell_all("paused", client.pause_many(**filters) if is_meant else Acted(), as_json)
        else:
            _act_on_each(client, job_ids, Job.pause, as_json)


def resume(
    job_ids: JobIds = None,
    queue: Queues = None,
    tenant: Tenants = None,
    state: OfState = None,
    kind: OfKind = None,
    model: OfModel = None,
    tag: WithTags = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let paused jobs, queues and tenants go on, each job in its old place."""
    filters = _filters(state, kind, model, tag, since, until)
    with Client() as client:
        if queue or tenant:
            held = (job_ids, filters)
            _hold(Client.resume_queue, Client.resume_tenant, "resumed", client, held, (queue, tenant), as_json)
        elif _is_many(job_ids, filters):
            is_meant = yes or _is_confirmed("resume", client, filters)
            _tell_all("resumed", client.resume_many(**filters) if is_meant else Acted(), as_json)
        else:
            _act_on_each(client, job_ids, Job.resume, as_json)


def resubmit(
    job_ids: JobIds = None,
    changes: Changes = None,
    state: OfState = None,
    kind: OfKind = None,
    model: OfModel = None,
    tag: WithTags = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Submit jobs again, with other values of some fields.

    For example --set epochs=20 --set checkpoint.steps=100. Of those that match, the ones that ended without success.
    """
    filters = _filters(state, kind, model, tag, since, until)
    new = dict(map(_field_and_value, changes or ()))
    with Client() as client:
        if _is_many(job_ids, filters):
            is_meant = yes or _is_confirmed("resubmit", client, filters)
            _tell_all("submitted again", client.resubmit_many(new, **filters) if is_meant else Acted(), as_json)
        else:
            _act_on_each(client, job_ids, lambda job: client.resubmit(job.id, **new), as_json)


def _filters(
    state: JobState | None,
    kind: str | None,
    model: str | None,
    tags: list[str] | None,
    since: str | None,
    until: str | None,
) -> Filters:
    return {
        "state": state,
        "kind": kind,
        "model": model,
        "tags": dict(map(name_and_value, tags or ())),
        "since": moment("--since", since),
        "until": moment("--until", until),
    }


def _is_many(job_ids: list[str] | None, filters: Filters) -> bool:
    """Whether a filter says which jobs; refuses both and neither."""
    is_filtered = any(filters.values())
    if bool(job_ids) == is_filtered:
        raise InvalidArgument(
            "name jobs, or filter them by --state, --kind, --model, --tag, --since and --until, not both: "
            "`stoker jobs` lists them"
        )
    return is_filtered


def _field_and_value(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidArgument(f"a change is FIELD=VALUE, such as epochs=20; got {text!r}")
    return name, read_value(name, value)


def _is_confirmed(what: Act, client: Client, filters: Filters) -> bool:
    """Have it confirmed how many jobs it will be; False if none match, and there is nothing to ask.

    Raises:
        InvalidArgument: nobody can be asked.
    """
    found = client.matching(what, **filters)
    names = ", ".join(
        f"{status.id[:SHORT_ID]} ({status.kind} {status.model}, {status.state})" for status in found.examples
    )
    if found.count:
        ask(f"{what.capitalize()} {_jobs(found.count)}, such as {names}?", yes=False)
    return found.count > 0


def _tell_all(done: str, acted: Acted, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(acted))
        return
    ended = f", {acted.ended} had ended" if acted.ended else ""
    refused = f", {acted.refused} {'was' if acted.refused == 1 else 'were'} refused" if acted.refused else ""
    say(f"{_jobs(acted.done)} {'is' if acted.done == 1 else 'are'} {done}{ended}{refused}")
    for reason in acted.reasons:
        say(f"  {reason}")


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"


def _named(client: Client, job_ids: list[str] | None) -> list[Job]:
    return [client.job(whole_id(prefix, lambda: client.jobs(limit=SEARCHED), "jobs")) for prefix in job_ids or ()]


def _act_on_each(client: Client, job_ids: list[str] | None, act: Callable[[Job], Job | None], as_json: bool) -> None:
    """Act on each job, and say what came of it; where one of several is refused, the others are acted on all the same.

    Raises:
        StokerError: the only one was refused.
    """
    answers: list[JobStatus | StokerError] = []
    for job in _named(client, job_ids):
        try:
            answers.append((act(job) or job).status())
        except StokerError as error:
            answers.append(error)
    refused = [answer for answer in answers if isinstance(answer, StokerError)]
    if refused and len(answers) == 1:
        raise refused[0]
    if as_json:
        documents = [_Refused.of(answer) if isinstance(answer, StokerError) else answer for answer in answers]
        # One job is one document, as `stoker submit` and `result` have it.
        print_json(documents[0] if len(documents) == 1 else documents)
    for answer in answers:
        if isinstance(answer, StokerError):
            say_error(answer.message)
        elif not as_json:
            _tell(answer)
    if refused:
        raise typer.Exit(status_of(refused[0]))


class _Refused(BaseModel):
    """What stands for a job that could not be acted on, among the documents of others."""

    error: str
    message: str

    @classmethod
    def of(cls, error: StokerError) -> "_Refused":
        return cls(error=type(error).__name__, message=error.message)


def _tell(status: JobStatus) -> None:
    if status.state is JobState.RUNNING and status.cancel_requested:
        say(f"{status.id} was asked to stop")
    elif status.state is JobState.RUNNING and status.paused:
        say(f"{status.id} saves a checkpoint and leaves its slot")
    else:
        say(f"{status.id} is ", state_text(status.state), ", paused" if status.paused else "")


def _hold(
    to_queue: Callable[[Client, str], bool],
    to_tenant: Callable[[Client, str], bool],
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
    told = [(f"queue {queue}", to_queue(client, queue)) for queue in queues]
    told += [(f"tenant {tenant!r}", to_tenant(client, tenant)) for tenant in tenants]
    if as_json:
        print_json({done: {"queues": queues, "tenants": tenants}})
        return
    for what, changed in told:
        say(f"{what} is {done}" if changed or done == "paused" else f"{what} was not paused")
