"""`stoker show`: all that is known of a job, or of a model."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from ..client.blocking import Client
from ..client.job import Job
from ..errors import JobNotFound
from ..events import JobState
from ..foresight.eta import Eta
from ..ledger.dead_jobs import PastAttempt
from ..models.store import Store
from ..status import JobStatus
from ..terminal.amounts import ago
from . import models
from .jobs import find
from .live import show_result
from .output import AsJson, Styled, line, print_json, say, state_text
from .past import say_attempts

What = Annotated[
    str,
    typer.Argument(
        help="A job's id, or its first characters; or a model: name, name@3 or name@alias.", show_default=False
    ),
]


class ShownJob(JobStatus):
    """A job as `stoker show --json` prints it.

    Attributes:
        spec: what was submitted, with all defaults.
        eta: when it starts and ends; None if it has ended.
        attempts: those that have ended.
        result: None unless it has SUCCEEDED.
    """

    spec: dict[str, Any]
    eta: Eta | None
    attempts: list[PastAttempt]
    result: dict[str, Any] | None


def show(what: What, as_json: AsJson = False) -> None:
    """Show all that is known of a job: its spec, attempts, when it ends or why it waits, its result; or of a model."""
    with Client() as client:
        job = None if "@" in what else _job(client, what)
        if job and as_json:
            print_json(_whole(job))
        elif job:
            _say(client, job)
    if job is None:
        models.show(what, as_json=as_json)


def _job(client: Client, what: str) -> Job | None:
    """The job that is meant; None for a model."""
    try:
        job = find(client, what)
        job.status()
    except JobNotFound as error:
        if any(version.name == what for version in client.models()):
            return None
        raise JobNotFound(f"{error.message}; nor is there a model {what!r}") from None
    return job


def _whole(job: Job) -> ShownJob:
    status = job.status()
    return ShownJob(
        **dict(status),
        spec=_document(job.spec()),
        eta=None if status.state.final else job.eta(),
        attempts=job.attempts(),
        result=_document(job.result(timeout=0)) if status.state is JobState.SUCCEEDED else None,
    )


def _say(client: Client, job: Job) -> None:
    status = job.status()
    rows: list[tuple[str, Styled]] = [
        ("job", line((job.id, "bold"), f"  {status.kind}  ", state_text(status.state))),
        ("submitted", f"{status.submitted_at:%Y-%m-%d %H:%M:%S} UTC, {ago(status.submitted_at)}"),
        ("attempt", f"{status.attempt} on {status.worker}" if status.worker else ""),
        ("paused", f"since {status.paused:%Y-%m-%d %H:%M:%S} UTC" if status.paused else ""),
        ("progress", status.progress.words() if status.progress and not status.state.final else ""),
        ("waits for", status.outage.reason if status.outage else ""),
        ("why", status.reason or ""),
    ]
    _say_rows(rows)
    say_attempts(job.attempts())
    # Only a newer version may know its spec: then the rest has been said.
    _say_rows((name, json.dumps(value, ensure_ascii=False)) for name, value in _given(job).items())
    if not status.state.final:
        _say_rows([("when", job.eta().words())])
    if status.state is JobState.SUCCEEDED:
        show_result(job.result(timeout=0), Store(client.settings.store_place))


def _say_rows(rows: Iterable[tuple[str, Styled]]) -> None:
    for name, value in rows:
        if value:
            say((f"{name:>12}", "dim"), "  ", value)


def _given(job: Job) -> dict[str, Any]:
    """What its spec says besides the defaults."""
    spec = job.spec()
    fields = type(spec).model_fields
    return {
        name: value
        for name, value in _document(spec).items()
        # What is empty was made by a factory.
        if (value if fields[name].default_factory else getattr(spec, name) != fields[name].default)
    }


def _document(model: BaseModel) -> dict[str, Any]:
    # As JSON, in which what is not finite has a form.
    document: dict[str, Any] = json.loads(model.model_dump_json())
    return document
