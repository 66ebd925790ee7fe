"""What both clients do around a lane: inputs checked and into bytes, rows into requests, answers into arrays."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from .. import ledger
from ..errors import InvalidJob, Timeout
from ..fleet.topology import served_request_queue
from ..kinds import Priority
from ..ledger import registry
from ..models.inputs import Inputs
from ..models.manifest import ModelVersion
from ..models.tensors import Array, Tensors, decode_array, encode_tensors
from ..redis.connection import Steps
from . import arguments

# One request carries at most this many rows, so that several workers share a large call.
ROWS_PER_REQUEST = 4096
# How long a client believes what it has learned of a model. Nothing is refused on old knowledge, see `Known`.
_KNOWN_FOR_S = 10.0
# Where no worker was there to choose a queue by, one may start at any moment.
_NOBODY_FOR_S = 1.0
_MOST_KNOWN = 1_000


@dataclass(frozen=True)
class Order:
    """What is asked for beside the rows, once it has been checked."""

    model: str
    timeout_s: float
    priority: Priority

    @classmethod
    def checked(cls, model: object, timeout: object, priority: object) -> Self:
        """The arguments of a call.

        Raises:
            InvalidArgument: one of them cannot be what it should be.
        """
        return cls(arguments.model_ref(model), arguments.timeout(timeout), arguments.priority(priority))


@dataclass(frozen=True)
class _Served:
    """What a model takes, and the Celery queue of those who compute it.

    Attributes:
        until: when to ask again, by the monotonic clock.
    """

    inputs: Inputs
    queue: str
    until: float


class Known:
    """What a client has learned of models: it checks inputs at once, without asking Redis for each call.

    An alias may have moved since. So inputs that an older version takes are let through, for the worker checks again,
    and those that it refuses are held against the newest one before the caller is told.
    """

    def __init__(self) -> None:
        self._served: dict[str, _Served] = {}

    def admit(self, model: str, tensors: Tensors) -> Steps[str]:
        """Check inputs; gives the queue that the model's lane rings on.

        Raises:
            InvalidJob: the model does not take these inputs.
            ModelNotFound: there is no such model.
        """
        served, now = self._served.get(model), time.monotonic()
        if served and now < served.until:
            with suppress(InvalidJob):
                served.inputs.check(tensors)
                return served.queue
        elif served:
            # One caller asks again; the others go on with what is known.
            self._served[model] = replace(served, until=now + _NOBODY_FOR_S)
        served = yield from self._learn(model)
        served.inputs.check(tensors)
        return served.queue

    def _learn(self, model: str) -> Steps[_Served]:
        version: ModelVersion = yield registry.resolve(model)
        workers: list[ledger.Worker] = yield ledger.workers()
        queues = {queue for worker in workers for queue in worker.queues}
        queue = served_request_queue(queues)
        until = time.monotonic() + (_KNOWN_FOR_S if queue in queues else _NOBODY_FOR_S)
        if len(self._served) >= _MOST_KNOWN:
            self._served.clear()
        learned = self._served[model] = _Served(Inputs(version.signature, version.ref), queue, until)
        return learned


def tensors_of(inputs: ArrayLike | Mapping[str, ArrayLike]) -> Tensors:
    """Inputs as arrays with a first axis of rows.

    Raises:
        InvalidJob: a lone value, or rows of different lengths.
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


def rows_of(rows: ArrayLike) -> Array:
    """Many rows as one array; raises what `tensors_of` does."""
    array = tensors_of(rows)
    if isinstance(array, Mapping):
        raise InvalidJob("infer_many takes one array of rows; for several inputs by name use infer")
    return array


def parts(rows: Array) -> list[bytes]:
    """Many rows as requests of a bounded size, in order."""
    starts = range(0, max(1, len(rows)), ROWS_PER_REQUEST)
    return [encode_tensors(rows[start : start + ROWS_PER_REQUEST]) for start in starts]


def outputs(answer: bytes) -> Array:
    """The model's output."""
    return decode_array(answer).copy()  # a view of bytes could not be written to


def unanswered(model: str, timeout_s: float) -> Timeout:
    """The error of a request whose deadline has passed."""
    return Timeout(
        f"no answer from {model!r} within {timeout_s:g} s: are workers running (`stoker up`, `stoker worker`) "
        "and not all busy? Give a longer timeout or add slots"
    )
