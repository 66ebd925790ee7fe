"""`stoker dead list`, `requeue`, `drop`: jobs that were given up because they lost too many workers."""

from collections.abc import Callable
from contextlib import closing
from typing import Annotated

import typer

from ..errors import InvalidJob
from ..events import JobState
from ..ledger import dead_jobs, records
from ..ledger.dead_jobs import PastAttempt
from ..local import redis_url_of
from ..redis.calls import Call
from ..redis.connection import Connection
from ..settings import Settings
from ..status import JobStatus
from ..terminal.amounts import ago
from .output import SHORT_ID, AsJson, Styled, draw, print_json, say
from .past import say_attempts
from .short_id import SEARCHED, whole_id
from .table import Table

# How many jobs --all lists at once.
_PAGE = 1000

OptionalId = Annotated[
    str | None, typer.Argument(metavar="ID", help="The dead job's id, or its first characters.", show_default=False)
]
AllDead = Annotated[bool, typer.Option("--all", help="Every dead job instead.")]

dead = typer.Typer(
    name="dead", help="Look at jobs that were given up; try them again or forget them.", no_args_is_help=True
)


class DeadJob(JobStatus):
    """A dead job, with its attempts."""

    history: list[PastAttempt]


@dead.command("list")
def list_dead(
    with_history: Annotated[
        bool, typer.Option("--history", help="Show each attempt: who, when, why it ended, its last log lines.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most, the newest.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List dead jobs and why they were given up; as JSON, always with their history."""
    with _connected() as connection:
        statuses = _newest(connection, limit)
        jobs = [_with_history(connection, status) for status in statuses] if with_history or as_json else []
    if as_json:
        print_json(jobs)
    elif not statuses:
        say("no dead jobs")
    elif with_history:
        for job in jobs:
            _show(job)
    else:
        draw(Table(["id", "kind", "model", "given up", "why"], map(_row, statuses), cut=["model", "why"]))


@dead.command()
def requeue(job_id: OptionalId = None, all_dead: AllDead = False, as_json: AsJson = False) -> None:
    """Give a dead job its max_attempts once more, from its last checkpoint."""
    _apply(dead_jobs.requeue, "requeued", job_id, all_dead, as_json)


@dead.command()
def drop(job_id: OptionalId = None, all_dead: AllDead = False, as_json: AsJson = False) -> None:
    """Forget a dead job, with its events and its checkpoints."""
    _apply(dead_jobs.drop, "dropped", job_id, all_dead, as_json)


def _connected() -> closing[Connection]:
    settings = Settings()
    return closing(Connection.open(settings, redis_url_of(settings)))


def _newest(connection: Connection, limit: int) -> list[JobStatus]:
    return connection.run(records.query(None, [JobState.DEAD], limit))


def _with_history(connection: Connection, status: JobStatus) -> DeadJob:
    return DeadJob(**dict(status), history=connection.run(dead_jobs.history(status.id)))


def _apply(action: Callable[[str], Call[None]], done: str, prefix: str | None, all_dead: bool, as_json: bool) -> None:
    if (prefix is None) != all_dead:
        raise InvalidJob("name one job or give --all: `stoker dead list` shows the ids")
    ids: list[str] = []
    with _connected() as connection:
        if prefix is not None:
            ids.append(whole_id(prefix, lambda: _newest(connection, SEARCHED), "dead jobs"))
            connection.run(action(ids[0]))
        # The jobs of a page are dead no more, so that the next page is again the newest one.
        while all_dead and (page := _newest(connection, _PAGE)):
            for status in page:
                connection.run(action(status.id))
                ids.append(status.id)
    if as_json:
        print_json({done: ids})
        return
    for job_id in ids:
        say(f"{job_id} is {done}")
    if not ids:
        say("no dead jobs")


def _row(status: JobStatus) -> list[Styled]:
    given_up = ago(status.finished_at) if status.finished_at else ""
    return [status.id[:SHORT_ID], status.kind, status.model, given_up, status.reason or ""]


def _show(job: DeadJob) -> None:
    say((job.id, "bold"), f"  {job.kind} {job.model}: {job.reason or ''}")
    say_attempts(job.history)
