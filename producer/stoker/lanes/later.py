"""Requests that nobody waits for: their answers become results of Celery."""

import json
import uuid
from collections.abc import Mapping

from ..errors import StokerError, public_class
from ..kinds import Priority
from ..models.tensors import Tensors, decode_tensors
from . import CeleryResult, LaneRequests, frames
from .pending import LANE_HOLDS


def request(
    ref: str, queue: str, priority: Priority, timeout_s: float, tensors: bytes, place: int | None = None
) -> tuple[str, LaneRequests]:
    """The id of the result, and the request to push.

    Args:
        place: of the request among all (see `frames.place_of_key`); None for any.
    """
    result = uuid.uuid4()
    if place is not None:
        result = uuid.UUID(bytes=result.bytes[:-2] + place.to_bytes(2))
    encoded = frames.encode_request(result, frames.RESULT, tensors)
    return str(result), LaneRequests(ref, queue, priority, LANE_HOLDS, [(round(timeout_s * 1000), encoded)])


def result(client: str, answer: bytes | StokerError) -> CeleryResult:
    """Celery's result of such a request: the output as nested lists, or the error.

    Args:
        client: as the request's frame has it: the result's id.
    """
    result_id = str(uuid.UUID(client))
    if isinstance(answer, StokerError):
        public = public_class(answer)
        raised = {"exc_type": public.__name__, "exc_message": [answer.message], "exc_module": public.__module__}
        return CeleryResult(result_id, "FAILURE", json.dumps(raised))
    return CeleryResult(result_id, "SUCCESS", json.dumps(as_lists(decode_tensors(answer))))


def as_lists(tensors: Tensors) -> object:
    """What a model has given, as JSON has it: nested lists, by name if there are several outputs."""
    if isinstance(tensors, Mapping):
        return {name: array.tolist() for name, array in tensors.items()}
    return tensors.tolist()
