"""What has come of a job."""

import json
from collections.abc import Callable

from pydantic import ValidationError

from ..errors import InvalidJob, JobCancelled, JobDead, JobFailed, JobPruned, StokerError
from ..events import JobState
from ..kinds import RESULT, Result
from ..redis.calls import Call
from .keys import key
from .records import state_of

_RAISED: dict[JobState, type[StokerError]] = {
    JobState.FAILED: JobFailed,
    JobState.CANCELLED: JobCancelled,
    JobState.DEAD: JobDead,
    JobState.PRUNED: JobPruned,
}


def failure_document(state: JobState, reason: str, signed: str = "") -> str:
    """That a job has ended without a result, and why, as it is signed."""
    return json.dumps({"state": state, "reason": reason} | ({"signed": signed} if signed else {}))


def result(
    job_id: str,
    check: Callable[[str, bytes], None] = lambda _id, _raw: None,
    doubt: Callable[[str, str], str] = lambda _id, _failure: "",
) -> Call[Result | None]:
    """A finished job's result, or None while it is not final.

    Args:
        check: takes id and JSON of a result, and raises what is wrong.
        doubt: the same of a failure; gives what is to be said behind its reason.

    Raises:
        JobFailed, JobCancelled, JobDead, JobPruned: it ended without one.
        InvalidJob: it succeeded, but its record is damaged and has none.
    """

    def decode(values: list[bytes | None]) -> Result | None:
        raw_state, raw_result, raw_reason, traceback, signed = values
        state = state_of(job_id, raw_state)
        if state in _RAISED:
            # Something else than Stoker may have written these.
            reason = (raw_reason or b"").decode(errors="replace")
            if state is not JobState.CANCELLED:
                reason += doubt(job_id, failure_document(state, reason, (signed or b"").decode(errors="replace")))
            error = _RAISED[state](reason)
            error.traceback = traceback.decode(errors="replace") if traceback else None
            raise error
        if state is JobState.SUCCEEDED and raw_result is None:
            raise InvalidJob(
                f"job {job_id} is SUCCEEDED, and its result is missing: something else than Stoker has written to "
                f"{key('job', job_id)}; a controller mends it or says what is lost"
            )
        if state is not JobState.SUCCEEDED or raw_result is None:
            return None
        check(job_id, raw_result)
        return _result(job_id, raw_result)

    return Call(("HMGET", key("job", job_id), "state", "result", "reason", "traceback", "reason_signed"), decode)


def _result(job_id: str, raw: bytes) -> Result:
    try:
        return RESULT.validate_json(raw)
    except ValidationError:
        raise InvalidJob(
            f"the result of job {job_id} cannot be read: a newer version of Stoker has written it, whose client reads "
            f"it, or something else has written to {key('job', job_id)}"
        ) from None
