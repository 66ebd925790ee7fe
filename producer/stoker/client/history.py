"""What has happened to a job so far."""

from ..events import Event
from ..ledger import records
from ..redis.calls import Steps


def so_far(job_id: str, after: str | None) -> Steps[list[Event]]:
    """The events of a job until now, from the first one or behind one of them.

    Raises:
        JobNotFound: no job has this id.
    """
    yield records.status(job_id)
    events: list[Event] = []
    while news := (yield records.events(job_id, after)):
        events += news
        after = news[-1].id
    return events
