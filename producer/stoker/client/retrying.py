"""Trying a job again that has ended without a result."""

from contextlib import suppress

from ..errors import InvalidJob, Untrusted
from ..events import FINAL, JobState
from ..kinds import Spec, kind_of, read_spec
from ..kinds.kind import with_fields
from ..kinds.tasks import digest
from ..ledger import intake, records
from ..ledger.registry import JOB_MODEL
from ..redis.calls import Steps
from ..security.signatures import Signatures
from ..status import JobStatus
from .submission import submit
from .submitted import Submitted


def retry(job_id: str, signatures: Signatures) -> Steps[Submitted]:
    """Submit the spec of a job that has ended without a result once more; gives the new job, again the same one.

    Raises:
        InvalidJob: it has not ended, or it has a result; or the spec is refused, as by `submit`.
        JobNotFound, ModelNotFound: as `submit`.
        Untrusted: the job that is given for its retry has another spec.
    """
    status: JobStatus = yield records.status(job_id)
    if status.state not in FINAL:
        raise InvalidJob(f"job {job_id} is {status.state}: cancel it first, or wait for its end, to try it again")
    if status.state is JobState.SUCCEEDED:
        raise InvalidJob(f"job {job_id} has SUCCEEDED: there is nothing to try again; submit its spec for another run")
    # What it came after may have been retried since, so that its spec would be another one now.
    before: str | None = yield intake.submitted(_key(job_id))
    if before is not None:
        return (yield from _checked(before, job_id, signatures))
    spec: Spec = yield records.spec(job_id)
    # What it came after had succeeded when it started. What it depends on by its models is told again from these.
    again = with_fields(spec, after=()) if status.started_at else (yield from _after_retries(job_id, spec))
    [new] = yield from submit([again], _key(job_id), resubmits=job_id, signatures=signatures)
    return new


def _checked(given: str, job_id: str, signatures: Signatures) -> Steps[Submitted]:
    """Check the job that is given for a job's retry, by its spec.

    Raises:
        Untrusted: it is of another one.
    """
    if signatures.trust is None:
        return Submitted(given)
    text: str = yield records.spec_text(given)
    spec: Spec = yield records.spec(job_id)

    def alike(ref: str) -> str:
        return f"{JOB_MODEL}{job_id}" if ref.startswith(JOB_MODEL) else ref

    def work(of: Spec) -> Spec:
        """Without what names jobs that may have been retried since."""
        bare: Spec = with_fields(kind_of(of).with_models(of, alike), after=())
        return bare

    with suppress(InvalidJob):
        if work(read_spec(text)) == work(spec):
            return Submitted(given, digest(text))
    raise Untrusted(
        f"job {given} is given for the retry of job {job_id}, and has another spec: somebody has written to its "
        "record, or to the key of the retry, past Stoker"
    )


def _after_retries(job_id: str, spec: Spec) -> Steps[Spec]:
    """The spec of a job that has not started: it comes after the retries of those that have not succeeded.

    Raises:
        InvalidJob: one of them was not retried.
        JobNotFound: one of them has no record any more.
    """
    retries: dict[str, str] = {}
    for first in spec.after:
        newest = first
        while (yield from _has_failed(newest)):
            new: str | None = yield intake.submitted(_key(newest))
            if new is None:
                raise InvalidJob(
                    f"job {job_id} comes after job {newest}, which has not succeeded: retry that one first, and then "
                    "this one, which will come after the new job"
                )
            retries[first] = newest = new

    def renewed(ref: str) -> str:
        maker = ref.removeprefix(JOB_MODEL)
        return f"{JOB_MODEL}{retries[maker]}" if ref.startswith(JOB_MODEL) and maker in retries else ref

    after = tuple(retries.get(first, first) for first in spec.after)
    return with_fields(kind_of(spec).with_models(spec, renewed), after=after) if retries else spec


def _has_failed(job_id: str) -> Steps[bool]:
    status: JobStatus = yield records.status(job_id)
    return status.state in FINAL and status.state is not JobState.SUCCEEDED


def _key(job_id: str) -> str:
    """The idempotency key of a job's retry."""
    return f"retry of {job_id}"
