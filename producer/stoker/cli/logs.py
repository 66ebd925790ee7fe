"""`stoker logs`: what a job has printed."""

from typing import Annotated

import typer

from ..client.blocking import Client
from ..client.logs import DROPPED, is_cut
from ..events import Log
from .jobs import JobId
from .output import AsJson, print_json, say
from .short_id import SEARCHED, whole_id


def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a job has printed and logged, in all its attempts. Ctrl-C stops watching, not the job."""
    with Client() as client:
        job = client.job(whole_id(job_id, lambda: client.jobs(limit=SEARCHED), "jobs"))
        if not follow:
            _show(job.logs(), as_json)
            return
        try:
            for number, event in enumerate(job.events()):
                if number == 0 and is_cut(job.status(), event):
                    _show([DROPPED], as_json)
                if isinstance(event, Log):
                    _show([event.line], as_json)
        except KeyboardInterrupt:
            say()


def _show(lines: list[str], as_json: bool) -> None:
    for line in lines:
        if as_json:
            print_json({"line": line})
        else:
            say(line)
