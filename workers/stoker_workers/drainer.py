"""Draining a lane, in a predictor's process: take a batch, compute it, deliver, until the lane stays empty."""

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stoker import lanes, registry
from stoker.artifacts import ModelVersion
from stoker.connection import Connection
from stoker.errors import StokerError, Timeout, Unavailable
from stoker.lanes import frames, later

Outcome = bytes | StokerError

# Longer than a batch takes; a drainer that is silent for so long has its requests taken back.
LEASE_S = 10.0
# How long an empty lane is watched for more, as long as nothing else waits for the slot.
LINGER_S = 2.0
# For how long a lane is drained before others that wait for the slot get their turn.
SLICE_S = 1.0
# An alias that moves is followed within this.
_RESOLVE_EVERY_S = 1.0
_LOOK_AROUND_S = 0.1
# How many requests are refused at once where there is no model.
_TO_REFUSE = 256


class Model(Protocol):
    """What answers a batch of requests."""

    @property
    def most(self) -> int:
        """How many requests to take at once."""

    def answer(self, requests: Sequence[bytes]) -> Sequence[Outcome]:
        """The encoded outputs for each request's encoded inputs, or what is wrong with it."""


@dataclass(frozen=True)
class _Answers:
    """What is to be delivered: to clients that wait, and to Celery's results."""

    by_client: Mapping[str, bytes] = field(default_factory=dict)
    results: Sequence[lanes.Result] = ()


class Drainer:
    """Drains one lane for as long as it pays.

    Args:
        name: of this drainer, and of no other ever.
        queues: the Celery queues whose messages wait for this slot.
        load: gives the model of a version, loaded.
        stop: asked between batches; True hands the rest back.
    """

    def __init__(
        self,
        connection: Connection,
        ref: str,
        name: str,
        queues: Sequence[str],
        load: Callable[[ModelVersion], Model],
        stop: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._ref = ref
        self._name = name
        self._queues = queues
        self._load = load
        self._stop = stop
        self._turns = itertools.count(1)
        self._served: Model | StokerError = Unavailable(f"{ref!r} is not loaded yet")
        self._resolved_at = -math.inf
        self._slice_ends = 0.0
        self._requests = self._batches = 0

    def run(self) -> str:
        """Drain, then leave; gives what to show for it in Celery's log."""
        self._follow_alias()
        if not self._connection.run(lanes.join(self._ref, self._name, LEASE_S)):
            return f"{self._ref}: nothing left to do"
        try:
            self._drain()
        finally:
            self._connection.run(lanes.leave(self._ref, self._name))
        each = self._requests / max(1, self._batches)
        return f"{self._ref}: {self._requests} requests in {self._batches} batches of {each:.1f}"

    def _drain(self) -> None:
        answers = _Answers()
        quiet_since = time.monotonic()
        self._slice_ends = quiet_since + SLICE_S
        while batch := self._take(answers, self._most):
            answers = _Answers()
            if batch.requests:
                answers = self._compute(batch)
                quiet_since = time.monotonic()
                if self._time_is_up():
                    self._take(answers, most=0)
                    return
            elif self._nothing_more(quiet_since):
                return
            else:
                self._connection.run(lanes.await_wake(self._name, _LOOK_AROUND_S))

    @property
    def _most(self) -> int:
        return _TO_REFUSE if isinstance(self._served, StokerError) else self._served.most

    def _take(self, answers: "_Answers", most: int) -> lanes.Batch | None:
        call = lanes.take(
            self._ref,
            self._name,
            LEASE_S,
            turn=next(self._turns),
            most=most,
            answers=answers.by_client,
            results=answers.results,
        )
        return self._connection.run(call)

    def _compute(self, batch: lanes.Batch) -> "_Answers":
        """The answers to a batch. What is no request, or whose caller has gone, is left out."""
        self._follow_alias()
        taken = [request for request in map(frames.read_request, batch.requests) if request]
        requests = [request for request in taken if request.deadline_ms > batch.now_ms]
        outcomes: Sequence[Outcome]
        if isinstance(self._served, StokerError):
            outcomes = [self._served] * len(requests)
        else:
            outcomes = self._served.answer([request.tensors for request in requests])
        self._requests += len(requests)
        self._batches += 1
        told: dict[str, list[tuple[int, Outcome]]] = defaultdict(list)
        results: list[lanes.Result] = []
        for request, outcome in zip(requests, outcomes, strict=True):
            if request.number == frames.RESULT:
                results.append(later.result(request.client, outcome))
            else:
                told[request.client].append((request.number, outcome))
        if len(requests) < len(taken):
            results += [
                later.result(request.client, Timeout(f"{self._ref!r} did not come to it in time; ask again"))
                for request in taken
                if request.number == frames.RESULT and request.deadline_ms <= batch.now_ms
            ]
        return _Answers({client: frames.answers(some) for client, some in told.items()}, results)

    def _follow_alias(self) -> None:
        if time.monotonic() - self._resolved_at < _RESOLVE_EVERY_S:
            return
        try:
            self._served = self._load(self._connection.run(registry.resolve(self._ref)))
        except StokerError as error:
            self._served = error
        self._resolved_at = time.monotonic()

    def _time_is_up(self) -> bool:
        if self._stop():
            return True
        now = time.monotonic()
        if now < self._slice_ends:
            return False
        self._slice_ends = now + SLICE_S
        return self._crowded()

    def _nothing_more(self, quiet_since: float) -> bool:
        return self._stop() or time.monotonic() - quiet_since > LINGER_S or self._crowded()

    def _crowded(self) -> bool:
        return self._connection.run(lanes.crowded(self._queues))
