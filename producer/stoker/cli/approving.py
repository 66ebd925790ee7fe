"""`stoker approve`: say to a deployment that it may go on, or that it may not."""

from typing import Annotated

import typer

from ..client.blocking import Client
from .jobs import JobId, find
from .output import AsJson, print_json, say


def approve(
    job_id: JobId,
    refuse: Annotated[bool, typer.Option("--refuse", help="Say that it may not: the job ends.")] = False,
    note: Annotated[str, typer.Option(help="Why, in a sentence; it is kept with what was said.")] = "",
    as_json: AsJson = False,
) -> None:
    """Approve a deployment that waits for it, or refuse it.

    It takes a Redis user who has the role that the job asks for: see the table "roles" in the controller's settings.
    """
    with Client() as client:
        job = find(client, job_id)
        user = client.approve(job, refuse=refuse, note=note)
    if as_json:
        print_json({"job": job.id, "by": user, "refused": refuse})
    else:
        say(f"job {job.id} is {'refused' if refuse else 'approved'} by {user}: `stoker watch {job.id}`")
