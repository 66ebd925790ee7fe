"""Single inference requests: input tensors wait in Redis under the request's id, a Celery message rings for them,
and the answer comes back on a list of its own. Nothing here is a job: a request has a deadline instead of a record.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from . import errors
from .connection import Call
from .errors import InvalidJob, StokerError, Timeout
from .ledger.keys import key
from .ledger.scripts import script
from .topology import WorkDevice, request_queue
from .wire import Array, Tensors, decode_tensors, encode_tensors

TASK = "stoker.predict"
_REPLY_KEPT_S = 60
_OK, _ERROR = b"+", b"-"


@dataclass(frozen=True)
class Request:
    """What a caller asked for: the model's reference and the encoded input tensors."""

    model: str
    inputs: bytes


def ask(request_id: str, device: WorkDevice, model: str, inputs: Tensors, timeout_s: float) -> Call[None]:
    """Put a request; it vanishes unanswered after `timeout_s`."""
    words = (request_id, round(timeout_s * 1000), model, encode_tensors(inputs), request_queue(device))
    return Call(words, lambda _: None, script("ask"))


def as_tensors(inputs: ArrayLike | Mapping[str, ArrayLike]) -> Tensors:
    """Inputs as arrays, with a first axis of rows.

    Raises:
        InvalidJob: a lone number, or rows of different lengths.
    """
    try:
        if isinstance(inputs, Mapping):
            return {name: np.asarray(value) for name, value in inputs.items()}
        array = np.asarray(inputs)
    except ValueError as error:
        raise InvalidJob(f"inputs must be rows of one shape: {error}") from None
    if array.ndim == 0:
        raise InvalidJob(f"inputs must be rows, shape (rows, …), not the single value {array!r}")
    return array


def take(request_id: str) -> Call[Request | None]:
    """Take a request to answer it; None if it was taken or its deadline has passed."""

    def decode(answer: list[bytes | None]) -> Request | None:
        model, inputs = answer
        return None if model is None or inputs is None else Request(model.decode(), inputs)

    return Call((request_id,), decode, script("take"))


def answer(request_id: str, outputs: bytes | StokerError) -> Call[None]:
    """Give the caller the encoded outputs, or the error that it shall raise."""
    if isinstance(outputs, StokerError):
        told = _ERROR + json.dumps([type(outputs).__name__, outputs.message]).encode()
    else:
        told = _OK + outputs
    return Call((request_id, told, _REPLY_KEPT_S), lambda _: None, script("answer"))


def await_answer(request_id: str, wait_s: float) -> Call[Array | None]:
    """The model's output, or None if none came within `wait_s`.

    Raises:
        StokerError: what the worker answered instead.
    """

    def decode(reply: list[bytes] | None) -> Array | None:
        if reply is None:
            return None
        status, body = reply[1][:1], reply[1][1:]
        if status == _ERROR:
            name, message = json.loads(body)
            raise getattr(errors, name, StokerError)(message)
        return np.asarray(decode_tensors(body))

    return Call(("BLPOP", key("reply", request_id), max(wait_s, 0.01)), decode)


def unanswered(model: str, timeout_s: float) -> Timeout:
    """The error of a request whose deadline has passed."""
    return Timeout(
        f"no answer from {model!r} within {timeout_s:g} s: are workers running (`stoker up`, `stoker worker`) "
        "and not all busy? Give a longer timeout or add slots"
    )
