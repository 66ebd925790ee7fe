"""A predictor's watch over lanes: it drains several in turn, and waits for requests to any of them.

A model that is loaded meanwhile delays no other lane. An empty lane is watched for a while, so that its next request
comes to a process that has the model.
"""

import itertools
import time
from collections.abc import Callable, Sequence

from stoker import lanes
from stoker.redis.connection import Connection

from .drainer import LEASE_S, Drainer
from .model import LoadBeside, LoadModel

# How long an empty lane is watched, as long as nothing else waits for the slot.
LINGER_S = 120.0
# How long busy lanes are drained before jobs that wait for the slot get their turn.
SLICE_S = 1.0
_STOP_CHECK_S = 0.1
# How soon a lane notices that its model has been loaded.
_LOADING_CHECK_S = 0.01
# How often an idle lane's lease is renewed; that also finds a request whose wake-up was lost.
_RENEW_EVERY_S = LEASE_S / 10


class Watch:
    """Drains lanes until they stay empty, or until other work waits for the slot.

    Args:
        name: unique among all watches.
        queues: the Celery queues whose messages wait for this slot.
        load, beside: see `Drainer`.
        stop: called often, also as a heartbeat; True ends the watch.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        queues: Sequence[str],
        load: LoadModel,
        stop: Callable[[], bool],
        beside: LoadBeside | None = None,
    ) -> None:
        self._connection = connection
        self._name = name
        self._queues = queues
        self._load = load
        self._stop = stop
        self._beside = beside
        self._numbers = itertools.count()
        self._lanes: dict[str, Drainer] = {}
        self._awake: set[str] = set()
        self._left: list[str] = []

    def run(self, ref: str) -> str:
        """Drain the lane of a doorbell, and others that ring meanwhile; gives a summary for Celery's log."""
        try:
            self._add(ref)
            self._drain()
        finally:
            while self._lanes:
                self._leave(next(iter(self._lanes)))
        return "; ".join(self._left) or f"{ref}: nothing left to do"

    def _add(self, ref: str) -> None:
        name = lanes.drainer_name(self._name, next(self._numbers))
        drainer = Drainer(self._connection, ref, name, self._load, self._beside)
        if drainer.join():
            self._lanes[drainer.name] = drainer
            self._awake.add(drainer.name)

    def _leave(self, name: str) -> None:
        drainer = self._lanes.pop(name)
        self._awake.discard(name)
        each = drainer.requests / max(1, drainer.batches)
        self._left.append(f"{drainer.ref}: {drainer.requests} requests in {drainer.batches} batches of {each:.1f}")
        drainer.leave()

    def _drain(self) -> None:
        now = time.monotonic()
        yield_at, stop_at, renew_at, loading_at = now + SLICE_S, now, now + _RENEW_EVERY_S, now
        while self._lanes:
            for name in list(self._awake):
                if not self._lanes[name].turn():
                    self._awake.discard(name)
                if self._lanes[name].hands_over:
                    self._leave(name)
                else:
                    self._join_again_if_lost(name)
            now = time.monotonic()
            if now >= stop_at:
                stop_at = now + _STOP_CHECK_S
                if self._stop():
                    return
                yield_at = yield_at if self._awake else now
            if now >= yield_at:
                yield_at = now + SLICE_S
                if self._must_yield():
                    return
            if now >= renew_at:
                renew_at = now + _RENEW_EVERY_S
                self._renew_idle(now)
            if now >= loading_at:
                loading_at = now + _LOADING_CHECK_S
                self._awake.update(name for name, drainer in self._lanes.items() if drainer.loads)
            if len(self._awake) < len(self._lanes):
                self._await_requests()

    def _must_yield(self) -> bool:
        """Take on lanes whose doorbells wait for a slot; then, whether other messages wait for this one."""
        while ref := self._connection.run(lanes.take_doorbell(self._queues)):
            self._add(ref)
        return self._connection.run(lanes.make_way(self._queues))

    def _renew_idle(self, now: float) -> None:
        for name in [name for name in self._lanes if name not in self._awake]:
            drainer = self._lanes[name]
            if (now - drainer.quiet_since > LINGER_S and not drainer.loads) or drainer.evicted:
                self._leave(name)
            else:
                if drainer.renew():
                    self._awake.add(name)
                self._join_again_if_lost(name)

    def _join_again_if_lost(self, name: str) -> None:
        """Join a lane again that was lost because this process stood still: its requests are back in the lane."""
        drainer = self._lanes[name]
        if drainer.lost:
            self._leave(name)
            self._add(drainer.ref)

    def _await_requests(self) -> None:
        if self._awake:
            woken = self._connection.run(lanes.woken(self._name))
        else:
            loads = any(drainer.loads for drainer in self._lanes.values())
            woken = self._connection.run(lanes.await_wake(self._name, _LOADING_CHECK_S if loads else _STOP_CHECK_S))
        self._awake.update(name for name in woken if name in self._lanes)
