"""Trying a job again that has ended without a result."""

from ..errors import InvalidJob
from ..events import FINAL, JobState
from ..kinds import Spec
from ..kinds.kind import with_fields
from ..ledger import records
from ..redis.calls import Steps
from ..status import JobStatus
from .submission import submit


def retry(job_id: str) -> Steps[str]:
    """Submit the spec of a job that has ended without a result once more; gives the new job's id, again the same one.

    Raises:
        InvalidJob: it has not ended, or it has a result; or the spec is refused, as by `submit`.
        JobNotFound, ModelNotFound: as `submit`.
    """
    status: JobStatus = yield records.status(job_id)
    if status.state not in FINAL:
        raise InvalidJob(f"job {job_id} is {status.state}: cancel it first, or wait for its end, to try it again")
    if status.state is JobState.SUCCEEDED:
        raise InvalidJob(f"job {job_id} has SUCCEEDED: there is nothing to try again; submit its spec for another run")
    spec: Spec = yield records.spec(job_id)
    # What it came after had succeeded when it started. What it depends on by its models is told again from these.
    again = with_fields(spec, after=()) if status.started_at else spec
    [new_id] = yield from submit([again], f"retry of {job_id}", resubmits=job_id)
    return new_id
