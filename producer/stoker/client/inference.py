"""What both clients do for a prediction: check inputs, encode rows as requests, decode answers as arrays."""

import inspect
import time
import warnings
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..errors import InvalidJob, Timeout
from ..fleet.topology import served_request_queue
from ..kinds import Priority
from ..lanes import later, push
from ..ledger import presence, registry
from ..models.data import listed
from ..models.inputs import Inputs
from ..models.manifest import ModelVersion
from ..models.picture_rows import row_bytes
from ..models.tensors import Array, Outputs, Tensors, decode_tensors, encode_tensors
from ..redis.calls import Steps
from . import arguments
from .tables import Rows, tensors_of

# The most rows of one request, so that several workers compute a large call, and about the most bytes.
ROWS_PER_REQUEST = 4096
_BYTES_PER_REQUEST = 16 << 20
# How long a cached model is used without a look at the registry; it never refuses inputs, see `ModelCache`.
_CACHED_S = 10.0
# The same where no worker served any queue: one may start at any moment.
_CACHED_WITHOUT_WORKER_S = 1.0
_MOST_CACHED = 1_000


class InferCall(NamedTuple):
    """A caller's request for predictions, checked.

    Attributes:
        queue: of the doorbells of the model's lane.
        checked: the exact reference of the version whose signature the rows fit.
        given: the rows as columns, or as an array.
        tensors: what is sent of them.
    """

    model: str
    queue: str
    priority: Priority
    timeout_s: float
    checked: str
    given: Tensors
    tensors: Tensors


@dataclass(frozen=True)
class _CachedModel:
    """A version, its inputs, and the Celery queue of the workers that compute it.

    Attributes:
        until: when the entry expires, by the monotonic clock.
    """

    version: ModelVersion
    inputs: Inputs
    queue: str
    until: float


class ModelCache:
    """Checks inputs without a round trip to Redis for each call.

    An alias may have moved to another version since. So inputs that fit the cached version are sent, for the worker
    checks them again; inputs that do not fit are checked against the newest version before they are refused.

    Args:
        check: see `registry.resolve`; None to leave that to the workers.
    """

    def __init__(self, check: registry.CheckVersion | None = None) -> None:
        self._check = check
        self._cached: dict[str, _CachedModel] = {}
        self._warned: set[tuple[str, frozenset[str]]] = set()

    def clear(self) -> None:
        """Forget every model: one was removed, or has another name."""
        self._cached.clear()

    def call(self, model: str, rows: Rows, timeout: float, priority: Priority) -> Steps[InferCall]:
        """Check the arguments of a prediction; warns of columns that the model does not read, once.

        Raises:
            InvalidArgument: one has a wrong type or size.
            InvalidJob: the rows do not fit the model.
            ModelNotFound: no model has this name.
        """
        ref, timeout_s, place = _checked(model, timeout, priority)
        return (yield from self._call(ref, rows, timeout_s, place))

    def call_of_version(
        self, model: str, rows: Rows, timeout: float, priority: Priority
    ) -> Steps[tuple[ModelVersion, InferCall]]:
        """`call` for the version that the reference names now, which comes first."""
        ref, timeout_s, place = _checked(model, timeout, priority)
        version: ModelVersion = yield registry.resolve(ref)
        return version, (yield from self._call(version.ref, rows, timeout_s, place))

    def newer(self, call: InferCall, rows: Rows) -> Steps[InferCall | None]:
        """A call that was refused, for what the reference names now; None if that is what the rows were checked for.

        Raises:
            InvalidJob: the rows do not fit that.
            ModelNotFound: there is no such model any more.
        """
        cached = yield from self._look_up(call.model)
        if cached.inputs.ref == call.checked:
            return None
        return (yield from self._call(call.model, rows, call.timeout_s, call.priority))

    def known(self, ref: str) -> ModelVersion | None:
        """The version that a reference is taken for; None if it is to be looked up."""
        cached = self._fresh(ref)
        return None if cached is None else cached.version

    def newest(self, ref: str) -> Steps[ModelVersion]:
        """The version that a reference names now, for which it is taken from now on.

        Raises:
            ModelNotFound: no model has this name.
        """
        cached = yield from self._look_up(arguments.model_ref(ref))
        return cached.version

    def version(self, ref: str) -> Steps[ModelVersion]:
        """The version behind an exact reference, which an answer has named."""
        return self.known(ref) or (yield from self.newest(ref))

    def send_later(
        self, model: str, rows: Rows, timeout: float, priority: Priority, place: int | None = None
    ) -> Steps[str]:
        """Send a request that nobody waits for; gives the id of its result.

        Args:
            place: see `frames.place_of_key`.

        Raises:
            InvalidArgument, InvalidJob, ModelNotFound: as `call`.
            TooManyRequests: the model's guard allows no more for now.
            Unavailable: the lane is full.
        """
        call = yield from self.call(model, rows, timeout, priority)
        data = encode_tensors(call.tensors)
        result_id, request = later.request(call.model, call.queue, call.priority, call.timeout_s, data, place)
        [refused] = yield push([request])
        if refused:
            raise refused.error
        return result_id

    def _call(self, ref: str, rows: Rows, timeout_s: float, priority: Priority) -> Steps[InferCall]:
        cached = self._fresh(ref)
        fitting = None
        if cached:
            try:
                fitting = self._checked(cached.inputs, rows)
            except InvalidJob:
                # They may fit what the reference names by now.
                cached = None
        if cached is None or fitting is None:
            cached = yield from self._look_up(ref)
            fitting = self._checked(cached.inputs, rows)
        return InferCall(ref, cached.queue, priority, timeout_s, cached.inputs.ref, *fitting)

    def _fresh(self, ref: str) -> _CachedModel | None:
        """A model as it was last looked up; None if it is to be looked up again."""
        cached, now = self._cached.get(ref), time.monotonic()
        if cached is None or now < cached.until:
            return cached
        # One caller looks it up again; meanwhile the others use the old entry.
        self._cached[ref] = replace(cached, until=now + _CACHED_WITHOUT_WORKER_S)
        return None

    def _checked(self, inputs: Inputs, rows: Rows) -> tuple[Tensors, Tensors]:
        if isinstance(rows, np.ndarray) and inputs.is_usual(rows):
            return rows, rows
        given = tensors_of(rows, inputs.lists)
        tensors = inputs.encoded(given)
        inputs.check(tensors)
        if tensors is not given and (unused := inputs.unused(given)):
            self._warn(inputs.ref, unused)
        return given, tensors

    def _warn(self, ref: str, unused: list[str]) -> None:
        warning = ref, frozenset(unused)
        if warning in self._warned:
            return
        if len(self._warned) >= _MOST_CACHED:
            self._warned.clear()
        self._warned.add(warning)
        message = f"{ref} does not read the column(s) {listed(unused)}, which are ignored"
        warnings.warn(message, stacklevel=callers_level())

    def _look_up(self, model: str) -> Steps[_CachedModel]:
        version: ModelVersion = yield registry.resolve(model, self._check) if self._check else registry.resolve(model)
        workers: list[presence.Worker] = yield presence.workers()
        queues = {queue for worker in workers for queue in worker.queues}
        queue = served_request_queue(queues)
        until = time.monotonic() + (_CACHED_S if queue in queues else _CACHED_WITHOUT_WORKER_S)
        if len(self._cached) >= _MOST_CACHED:
            self._cached.clear()
        cached = self._cached[model] = _CachedModel(version, Inputs(version.signature, version.ref), queue, until)
        return cached


def _checked(model: object, timeout: object, priority: object) -> tuple[str, float, Priority]:
    return arguments.model_ref(model), arguments.timeout(timeout), arguments.priority(priority)


def callers_level() -> int:
    """How far up the stack, seen from whoever calls this, the app's own code is."""
    stoker = __name__.partition(".")[0]
    level, frame = 0, inspect.currentframe()
    while frame and str(frame.f_globals.get("__name__")).partition(".")[0] == stoker:
        level, frame = level + 1, frame.f_back
    return level


def encode_rows(tensors: Tensors) -> list[bytes]:
    """Many rows as requests of `ROWS_PER_REQUEST` rows each, or of fewer large ones, in order."""
    arrays = [tensors] if isinstance(tensors, np.ndarray) else list(tensors.values())
    size = max(min(ROWS_PER_REQUEST, _BYTES_PER_REQUEST // max(row_bytes(arrays), 1)), 1)
    starts = range(0, max(1, len(arrays[0])), size)
    return [encode_tensors(_cut(tensors, slice(start, start + size))) for start in starts]


def _cut(tensors: Tensors, rows: slice) -> Tensors:
    if isinstance(tensors, np.ndarray):
        cut: Array = tensors[rows]
        return cut
    return {name: array[rows] for name, array in tensors.items()}


def rows_of(outputs: Outputs) -> int:
    """How many rows there are."""
    return len(outputs if isinstance(outputs, np.ndarray) else next(iter(outputs.values())))


def outputs(answer: bytes) -> Outputs:
    """The model's outputs in an answer."""
    tensors = decode_tensors(answer)
    # A view of bytes could not be written to.
    if isinstance(tensors, np.ndarray):
        return tensors.copy()
    return {name: array.copy() for name, array in tensors.items()}


def unanswered(call: InferCall) -> Timeout:
    """The error of a request without an answer in time."""
    return Timeout(
        f"no answer from {call.model!r} within {call.timeout_s:g} s: are workers running (`stoker up`, "
        "`stoker worker`) and not all busy? Give a longer timeout or add slots"
    )
