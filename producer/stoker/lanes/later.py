"""Requests whose answer is left where `celery.result.AsyncResult` finds it, for those who do not wait for it."""

import json
import uuid

from ..errors import StokerError, public_class
from ..kinds import Priority
from ..models.tensors import decode_array
from . import Pushed, Result, frames
from .exchange import LANE_HOLDS


def request(ref: str, queue: str, priority: Priority, timeout_s: float, tensors: bytes) -> tuple[str, Pushed]:
    """A request of nobody: the id of its result, and what to push."""
    result = uuid.uuid4()
    asked = frames.request(result, frames.RESULT, tensors)
    return str(result), Pushed(ref, queue, priority, LANE_HOLDS, [(round(timeout_s * 1000), asked)])


def result(client: str, outcome: bytes | StokerError) -> Result:
    """What Celery is told of such a request, by the "client" of its frame: the output as nested lists, or the error."""
    result_id = str(uuid.UUID(client))
    if isinstance(outcome, StokerError):
        public = public_class(outcome)
        raised = {"exc_type": public.__name__, "exc_message": [outcome.message], "exc_module": public.__module__}
        return Result(result_id, "FAILURE", json.dumps(raised))
    return Result(result_id, "SUCCESS", json.dumps(decode_array(outcome).tolist()))
