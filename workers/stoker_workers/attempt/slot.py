"""A slot: one child of the worker's pool, which looks after one job at a time and never runs TensorFlow itself."""

import logging
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from multiprocessing.sharedctypes import RawArray, RawValue
from typing import TypeVar

import billiard.process

from stoker.errors import Unavailable, Untrusted
from stoker.ledger.presence import Worker
from stoker.models.store import Store
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.security import audit
from stoker.security.signatures import Signatures, signatures_of
from stoker.security.signing import What
from stoker.settings import Settings

from ..ml.run import StopRequest
from ..observe.result_mirror import ResultMirror
from ..observe.tracing import Tracer, tracer
from .dependencies import Dependencies
from .process import ForkedProcess
from .reservations import Reservations

T = TypeVar("T")
_log = logging.getLogger(__name__)

# How long a job may take to stop by itself before its process is killed. A drain writes a checkpoint meanwhile.
GRACE_S: dict[StopRequest, float] = {"cancel": 10.0, "drain": 60.0}
_RETRY_S = 1.0
# What an operator may ask for by hand; Settings bound `slots` likewise.
MOST_SLOTS = 1024


def owners_of(worker: str, pid: int) -> str:
    """What the names of all attempts of one slot begin with."""
    return f"{worker}/{pid}/"


class Slot:
    """What every task of a pool child shares, and the worker with its children. Made before the pool forks.

    The parent asks its children to stop, and reads what they note; connections and processes are each child's own.

    Attributes:
        worker: the Celery node name of the worker it belongs to.
        device: what its jobs compute on.
        offers: what the worker has for its jobs.
        memory_bytes: what one job may use if it asks for nothing else; None for no limit.
        predictor: the process that serves lanes, once there was one to serve.
        dependencies: what of all that jobs need is away.
        reservations: what of the worker's memory its slots have promised to jobs.
    """

    def __init__(self, settings: Settings, redis_url: str, worker: Worker) -> None:
        self.settings = settings
        self.redis_url = redis_url
        self.worker = worker.name
        self.device = worker.device
        self.offers = worker
        share = worker.memory_bytes // worker.slots if worker.memory_bytes else None
        self.memory_bytes = settings.slot_memory_bytes or share
        self.predictor: ForkedProcess | None = None
        self.dependencies = Dependencies()
        # Written by the parent, even in a signal handler, and read by its children: plain shared memory, without a lock
        # that a killed child could hold for ever.
        self._stops = RawValue("i", 0)
        self._draining_since = RawValue("d", 0.0)
        self._watched = RawValue("b", 0)
        self._used_bytes = RawArray("Q", MOST_SLOTS)
        self.reservations = Reservations(worker.memory_bytes, self.memory_bytes, MOST_SLOTS)

    @property
    def place(self) -> int:
        """The place of this process in the pool."""
        return int(billiard.process.current_process().index)

    def uses(self, memory_bytes: int) -> None:
        """Note what this slot's processes use now."""
        self._used_bytes[self.place] = memory_bytes

    def used_bytes(self, places: Iterable[int]) -> int:
        """What the slots with these places in the pool noted last, together."""
        return sum(self._used_bytes[place] for place in places)

    @contextmanager
    def reserved_share(self) -> Iterator[bool]:
        """Reserve a share of the worker's memory for as long as a job is in hand; gives whether there was one."""
        try:
            yield self.reservations.reserve_share(self.place)
        finally:
            self.reservations.release(self.place)

    @property
    def takes_jobs(self) -> bool:
        """Whether the worker can do with a job more: nothing is away, and its memory is not promised to others."""
        return self.dependencies.missing() is None and self.reservations.has_room()

    def end_predictor(self) -> None:
        """End the predictor; the next lane has a new one."""
        if self.predictor:
            self.predictor.close()
            self.predictor = None

    def close(self) -> None:
        """End what this process has started: it is about to end itself."""
        self.end_predictor()
        self.tracer.close()

    def stop(self) -> None:
        """Ask the slots of all children to hand their jobs over; asked again, they do not wait for checkpoints."""
        if not self._stops.value:
            self._draining_since.value = time.monotonic()
        self._stops.value += 1

    @property
    def draining_s(self) -> float:
        """Seconds since the worker was asked to end; 0 as long as it was not."""
        return time.monotonic() - self._draining_since.value if self._stops.value else 0.0

    @property
    def hurrying(self) -> bool:
        """Whether the worker was asked to end more than once."""
        return bool(self._stops.value > 1)

    @property
    def watched(self) -> bool:
        """Whether Flower or another monitor has asked for events; the parent says so."""
        return bool(self._watched.value)

    @watched.setter
    def watched(self, watched: bool) -> None:
        self._watched.value = watched

    @cached_property
    def connection(self) -> Connection:
        """This process's own connection."""
        return Connection.open(self.settings, self.redis_url)

    @cached_property
    def store(self) -> Store:
        """The artifact store; to open it for each job would take longer than most calls of the ledger."""
        return Store(self.settings.store_place)

    @property
    def signatures(self) -> Signatures:
        """What it signs with, and whom it believes."""
        return signatures_of(self.settings)

    def check_version(self, ref: str, document: bytes) -> None:
        """Check who has signed a model's version, if it is not to be believed whoever has.

        Raises:
            Untrusted: no worker has that is trusted.
        """
        self._check("model", ref, document)

    def check_result(self, job_id: str, document: bytes) -> None:
        """The same for the result of a job."""
        self._check("result", job_id, document)

    def refused(self, about: str, text: str, tenant: str = "", who: str = "") -> None:
        """Note in the audit that something is refused: it is signed by nobody who is trusted, or not safe to open.

        Args:
            about: a job's id, or a model's reference.
            who: the key that it came from; "" where that is unknown.
        """
        _log.warning("%s", text)
        self.insist(audit.note("refused", who, about, text, tenant))

    def _check(self, what: What, about: str, document: bytes) -> None:
        try:
            self.signatures.check(what, about, document)
        except Untrusted as error:
            self.refused(about, error.message)
            raise

    @cached_property
    def results(self) -> ResultMirror:
        """This process's way to the results' own Redis."""
        return ResultMirror(self.settings, self.connection)

    @cached_property
    def thread(self) -> ThreadPoolExecutor:
        """This process's thread for jobs that need no process of their own; starting one takes as long as they do."""
        return ThreadPoolExecutor(1, "inline job")

    def forget_thread(self) -> None:
        """Leave a thread that hangs to itself; the next job gets another."""
        del self.thread

    @cached_property
    def tracer(self) -> Tracer:
        """This process's own tracer."""
        return tracer(self.settings)

    def new_owner(self) -> str:
        """A name for one attempt that no other will ever have."""
        return f"{owners_of(self.worker, os.getpid())}{uuid.uuid4().hex}"

    def insist(self, call: Call[T]) -> T:
        """Run a call however long Redis is away: the work behind it is done and must not be thrown away.

        Raises:
            Unavailable: Redis is away, and the worker has to end.
        """
        while True:
            try:
                return self.connection.run(call)
            except Unavailable as error:
                if self.hurrying or self.draining_s > GRACE_S["drain"]:
                    raise
                _log.warning("waiting for Redis: %s", error)
                time.sleep(_RETRY_S)
