"""`stoker retry`."""

from ..client.blocking import Client
from .jobs import JobId, find
from .output import AsJson, print_json, say, state_text


def retry(job_id: JobId, as_json: AsJson = False) -> None:
    """Try a job again that is FAILED, CANCELLED, DEAD or PRUNED: a new job of its spec, the same one if called again.

    `stoker dead requeue` lets a DEAD job itself go on from its last checkpoint.
    """
    with Client() as client:
        job = find(client, job_id)
        status = job.retry().status()
    if as_json:
        print_json(status)
    else:
        say(f"{status.id}  ", state_text(status.state), f" on {status.queue}, in place of {job.id}")
