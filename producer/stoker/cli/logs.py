"""`stoker logs`: what a job has printed."""

from typing import Annotated

import typer

from ..client.blocking import Client
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
        try:
            for line in job.follow_logs() if follow else job.logs():
                if as_json:
                    print_json({"line": line})
                else:
                    say(line)
        except KeyboardInterrupt:
            say()
