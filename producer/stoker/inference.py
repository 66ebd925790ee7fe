"""Single inference requests: input tensors wait in Redis under the request's id, a Celery message rings for them,
and the answer comes back on a list of its own. Nothing here is a job: a request has a deadline instead of a record.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from . import errors
from .connection import Call, Script
from .errors import InvalidJob, StokerError, Timeout
from .ledger.keys import key
from .topology import PRIORITIES, WorkDevice, redis_list, request_queue
from .wire import Array, Tensors, decode_tensors, doorbell, encode_tensors

TASK = "stoker.predict"
_REPLY_KEPT_S = 60
_OK, _ERROR = b"+", b"-"

# ARGV: request key, lifetime in ms, model, tensors, list, doorbell
_ASK = Script("""
redis.call('HSET', ARGV[1], 'model', ARGV[3], 'inputs', ARGV[4])
redis.call('PEXPIRE', ARGV[1], ARGV[2])
redis.call('LPUSH', ARGV[5], ARGV[6])
""")
# ARGV: request key
_TAKE = Script("""
local request = redis.call('HMGET', ARGV[1], 'model', 'inputs')
redis.call('DEL', ARGV[1])
return request
""")
# ARGV: reply key, answer, lifetime in s
_ANSWER = Script("""
redis.call('LPUSH', ARGV[1], ARGV[2])
redis.call('EXPIRE', ARGV[1], ARGV[3])
""")


@dataclass(frozen=True)
class Request:
    """What a caller asked for: the model's reference and the encoded input tensors."""

    model: str
    inputs: bytes


def ask(request_id: str, device: WorkDevice, model: str, inputs: Tensors, timeout_s: float) -> Call[None]:
    """Put a request; it vanishes unanswered after `timeout_s`."""
    queue, step = request_queue(device), PRIORITIES["normal"]
    message = doorbell(TASK, request_id, queue, step, model)
    words = (key("request", request_id), round(timeout_s * 1000), model, encode_tensors(inputs))
    return Call((*words, redis_list(queue, step), message), lambda _: None, _ASK)


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

    return Call((key("request", request_id),), decode, _TAKE)


def answer(request_id: str, outputs: bytes | StokerError) -> Call[None]:
    """Give the caller the encoded outputs, or the error that it shall raise."""
    if isinstance(outputs, StokerError):
        told = _ERROR + json.dumps([type(outputs).__name__, outputs.message]).encode()
    else:
        told = _OK + outputs
    return Call((key("reply", request_id), told, _REPLY_KEPT_S), lambda _: None, _ANSWER)


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
