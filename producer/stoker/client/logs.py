"""What a job has printed and logged, in all its attempts."""

from datetime import timedelta

from ..events import Event, JobStatus, Log, Queued, Waiting
from ..ledger import records
from ..redis.calls import Steps

# The first event of a job is of the moment when it was submitted.
_AT_ONCE = timedelta(seconds=1)
DROPPED = "… what the job printed first is dropped: of its events the newest 10,000 are kept"


def lines(job_id: str) -> Steps[list[str]]:
    """The lines so far, the oldest first; a first one says so where older ones are no longer there.

    Raises:
        JobNotFound: no job has this id.
    """
    status: JobStatus = yield records.status(job_id)
    found: list[str] = []
    after: str | None = None
    while events := (yield records.events(job_id, after)):
        if after is None and is_cut(status, events[0]):
            found.append(DROPPED)
        found += [event.line for event in events if isinstance(event, Log)]
        after = events[-1].id
    return found


def is_cut(status: JobStatus, first: Event) -> bool:
    """Whether older events than this one, the first that is there, have been dropped."""
    began = isinstance(first, Queued | Waiting) and first.at and first.at - status.submitted_at < _AT_ONCE
    return not began
