"""`stoker submit`, `jobs`, `watch`, `result`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..client.blocking import Client
from ..client.job import Job
from ..errors import WITHOUT_RESULT, InvalidArgument, InvalidJob, JobNotFound
from ..events import Epoch, JobState
from ..foresight.eta import Eta
from ..kinds import KINDS
from ..kinds.base import Reuse
from ..kinds.result import JobResult
from ..models.store import Store
from ..status import JobStatus
from ..terminal.amounts import ago, duration
from .job_file import read_specs
from .live import follow, say_no_worker, show_result
from .models import newer_than_champion
from .moments import moment, seconds
from .output import SHORT_ID, AsJson, Styled, console, draw, print_json, say, say_block, state_text
from .paused import warn_of_pauses
from .short_id import SEARCHED, whole_id
from .table import Table

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id, or its first characters.", show_default=False)]
# A running job without an event for so long is shown as silent.
_SILENT_S = 60.0


class _Listed(JobStatus):
    """A job of a list, and when it starts and ends; None for one that is neither queued nor runs."""

    eta: Eta | None = None


def submit(
    file: Annotated[Path, typer.Argument(help="A YAML or JSON file with one job or a list of jobs; - reads stdin.")],
    key: Annotated[
        str | None,
        typer.Option(help="Idempotency key: the same key is the same job while its record is kept (one job only)."),
    ] = None,
    singleton: Annotated[
        str | None,
        typer.Option(help="A key: a job with it that has not ended is given back instead (one job only)."),
    ] = None,
    debounce: Annotated[
        str | None,
        typer.Option(
            help="With --singleton: start so much later, such as 60s; another one takes its place until then."
        ),
    ] = None,
    reuse: Annotated[
        Reuse | None,
        typer.Option(
            help="identical: give the newest identical job back that has succeeded, if there is one (one job only)."
        ),
    ] = None,
    watch_it: Annotated[
        bool, typer.Option("--watch", "-w", help="Follow the job until it ends (one job only).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Queue the jobs of a file.

    A job is its kind and its fields, for example:

        {kind: train, model: digits, data: "sample://digits", epochs: 10}
    """
    specs = read_specs(file)
    if len(specs) != 1 and (key or watch_it or singleton or reuse):
        raise InvalidJob(f"--key, --singleton, --reuse and --watch are for one job; {file} has {len(specs)}")
    debounce_s = None if debounce is None else seconds("--debounce", debounce)
    with Client() as client:
        if len(specs) == 1:
            jobs = [client.submit(specs[0], idempotency_key=key, singleton=singleton, debounce=debounce_s, reuse=reuse)]
        else:
            jobs = client.submit_many(specs)
        devices = {worker.device for worker in client.workers()}
        statuses = [job.status() for job in jobs]
        if watch_it:
            _watch(client, jobs[0], None, as_json)
        elif as_json:
            print_json(statuses)
        else:
            for status in statuses:
                ended = f", which ended {ago(status.finished_at)}" if status.finished_at else ""
                say(f"{status.id}  ", state_text(status.state), f" on {status.queue}{ended}")
            for device in {status.queue.partition(".")[0] for status in statuses} - devices:
                say_no_worker(device)
            warn_of_pauses(client, statuses)


def jobs(
    state: Annotated[JobState | None, typer.Option(case_sensitive=False, help="Only jobs in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"Only jobs of this kind: {', '.join(KINDS)}.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Only jobs of this model: digits for all its versions, digits@3 for itself.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only jobs with this tag; give it again for more.")
    ] = None,
    parent: Annotated[
        str | None, typer.Option(help="Only jobs that the one with this id has asked for; other lists leave them out.")
    ] = None,
    before: Annotated[str | None, typer.Option(help="Only jobs submitted before the one with this id.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only jobs submitted since: 30m, 12h, 7d, or a time such as 2026-01-31T08:00.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only jobs submitted before that; as --since.")] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Only jobs that are paused.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs."""
    tags = dict(name_and_value(each) for each in tag or ())
    with Client() as client:
        newest_before = None if before is None else find(client, before).id
        asker = None if parent is None else find(client, parent).id
        times = {"since": moment("--since", since), "until": moment("--until", until)}
        statuses = client.jobs(
            state, kind, limit, model=model, tags=tags, parent=asker, paused=paused, before=newest_before, **times
        )
        away = {outage.of: outage for worker in client.workers() for outage in worker.outages}
        if not as_json:
            warn_of_pauses(client, statuses)
        etas = client.etas(each for each in statuses if each.state in (JobState.QUEUED, JobState.RUNNING))
    if as_json:
        print_json([_Listed.model_construct(**dict(each), eta=etas.get(each.id)) for each in statuses])
    elif not statuses:
        say("no jobs; submit one with `stoker submit FILE`")
    else:
        columns, rows = ["id", "kind", "model", "state", "submitted", "progress"], list(map(_row, statuses))
        if etas:
            columns.append("when")
            rows = [[*row, _brief(etas.get(each.id))] for row, each in zip(rows, statuses, strict=True)]
        draw(Table(columns, rows, cut=["model", "progress"]))
    for outage in () if as_json else away.values():
        say((f"the {outage.of} is away since {outage.since:%H:%M:%S} UTC", "yellow"), f": {outage.reason}")


def watch(
    job_id: Annotated[str | None, typer.Argument(metavar="ID", help="The job; the newest one if left out.")] = None,
    after: Annotated[str | None, typer.Option(help="Show only events behind the one with this id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Follow a job until it ends. Ctrl-C stops watching, not the job."""
    with Client() as client:
        _watch(client, find(client, job_id), after, as_json)


def result(
    job_id: JobId,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait for it; for ever if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Wait for a job and show its result."""
    with Client() as client:
        job_result = find(client, job_id).result(timeout)
        if as_json:
            print_json(job_result)
        else:
            show_result(job_result, Store(client.settings.store_place))
            _say_champion(client, job_result)


def name_and_value(text: str) -> tuple[str, str]:
    """A tag from the command line."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidArgument(f"a tag is NAME=VALUE, such as tenant=blue; got {text!r}")
    return name, value


def find(client: Client, prefix: str | None) -> Job:
    """A job by its id or the first characters of it; the newest job for None."""
    if prefix is not None:
        return client.job(whole_id(prefix, lambda: client.jobs(limit=SEARCHED), "jobs"))
    newest = client.jobs(limit=1)
    if not newest:
        raise JobNotFound("there are no jobs; submit one with `stoker submit FILE`")
    return client.job(newest[0].id)


def _say_champion(client: Client, result: JobResult) -> None:
    """Say it where a job has made a version that its model's plain name does not mean."""
    made = result.gives_model()
    if made:
        versions = [version for version in client.models() if version.name == made.partition("@")[0]]
        for note in newer_than_champion(versions):
            say((note, "yellow"))


def _watch(client: Client, job: Job, after: str | None, as_json: bool) -> None:
    if as_json:
        for event in job.events(after):
            print_json(event)
    else:
        say((f"job {job.id}", "dim"))
        eta = job.eta()
        if not eta.state.final:
            say(eta.words())
        try:
            follow(job.events(after), console())
        except KeyboardInterrupt:
            say()
            say(f"no longer watching; the job goes on: `stoker watch {job.id}`")
            return
    try:
        job_result = job.result()
    except WITHOUT_RESULT as error:
        if error.traceback and not as_json:
            say_block(error.traceback, style="dim")
        raise typer.Exit(1) from None
    if not as_json:
        show_result(job_result, Store(client.settings.store_place))
        _say_champion(client, job_result)


def _row(status: JobStatus) -> list[Styled]:
    progress = ""
    if status.paused:
        progress = f"paused since {status.paused:%Y-%m-%d %H:%M:%S} UTC"
    elif status.reason:
        progress = status.reason
    elif status.outage:
        progress = f"waits since {status.outage.since:%H:%M:%S} UTC: {status.outage.reason}"
    elif isinstance(status.progress, Epoch):
        progress = status.progress.place
    elif status.state is JobState.SUCCEEDED:
        progress = ""
    elif status.progress and status.progress.total:
        progress = f"{status.progress.stage} {100 * status.progress.done // status.progress.total} %"
    elif status.progress:
        progress = status.progress.words()
    if status.state is JobState.RUNNING and status.last_event_at:
        silent_s = (datetime.now(UTC) - status.last_event_at).total_seconds()
        progress += f"  silent for {duration(silent_s)}" if silent_s >= _SILENT_S else ""
    submitted = ago(status.submitted_at)
    what = status.model or status.summary
    return [status.id[:SHORT_ID], status.kind, what, state_text(status.state), submitted, progress]


def _brief(eta: Eta | None) -> str:
    return eta.brief() if eta else ""
