"""Says what is paused, where jobs are submitted or listed."""

from collections.abc import Sequence

from ..client.blocking import Client
from ..events import JobState
from ..status import JobStatus
from .output import say_warning


def warn_of_pauses(client: Client, statuses: Sequence[JobStatus]) -> None:
    """Warn of queues and tenants that are paused, so that some of these jobs do not start."""
    paused = client.paused(limit=1)
    open_jobs = [status for status in statuses if status.state in (JobState.WAITING, JobState.QUEUED)]
    reasons = {paused.over(status.queue, status.tags.get("tenant", "")) for status in open_jobs} - {""}
    for reason in sorted(reasons):
        say_warning(f"{reason}, and starts nothing: `stoker resume --{reason.partition(' ')[0]} …` lets it go on")
