"""Draining one lane, in a predictor's process: deliver the answers to the last batch, take the next one, compute it."""

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stoker import lanes
from stoker.errors import StokerError, Timeout, Unavailable
from stoker.lanes import frames, later
from stoker.ledger import registry
from stoker.models.manifest import ModelVersion
from stoker.redis.connection import Connection

Outcome = bytes | StokerError

# Longer than a batch takes; a drainer that is silent for so long has its requests taken back.
LEASE_S = 10.0
# An alias that moves is noticed within this.
_RESOLVE_EVERY_S = 1.0
# How long callers wait for a store that is away before they are told so.
_OUTAGE_S = 5.0
# How many requests are refused at once where there is no model.
_TO_REFUSE = 256


class Model(Protocol):
    """What answers a batch of requests."""

    @property
    def evicted(self) -> bool:
        """Whether it has made room for another: it answers nothing any more, and is to be loaded again."""

    @property
    def most(self) -> int:
        """How many requests to take at once."""

    def answer(self, requests: Sequence[bytes]) -> Sequence[Outcome]:
        """The encoded outputs for each request's encoded inputs, or what is wrong with it."""


Load = Callable[[ModelVersion], Model | StokerError | None]


@dataclass(frozen=True)
class _Answers:
    """What is to be delivered: to clients that wait, and to Celery's results."""

    by_client: Mapping[str, bytes] = field(default_factory=dict)
    results: Sequence[lanes.CeleryResult] = ()


class Drainer:
    """Drains one lane, step by step.

    Args:
        name: of this drainer, and of no other ever.
        load: gives the model of a version, None as long as it is being loaded, or why it cannot be; raises Unavailable
            while the store is away.

    Attributes:
        quiet_since: when the lane was last found to hold requests, by the monotonic clock.
        lost: whether the lane was taken from this drainer, because its process stood still for longer than its lease.
        requests, batches: how many were computed.
    """

    def __init__(self, connection: Connection, ref: str, name: str, load: Load) -> None:
        self.ref = ref
        self.name = name
        self.quiet_since = time.monotonic()
        self.lost = False
        self.requests = self.batches = 0
        self._connection = connection
        self._load = load
        self._turns = itertools.count(1)
        self._answers = _Answers()
        self._served: Model | StokerError | None = None
        self._version: ModelVersion | None = None
        self._resolved_at = -math.inf
        self._outage_since: float | None = None

    def join(self) -> bool:
        """Become one of the lane's drainers; False if none is wanted."""
        return self._connection.run(lanes.join(self.ref, self.name, LEASE_S))

    @property
    def loads(self) -> bool:
        """Whether the lane waits for its first model to be loaded."""
        return self._served is None

    @property
    def evicted(self) -> bool:
        """Whether the lane's model has made room for another."""
        return self._served is not None and not isinstance(self._served, StokerError) and self._served.evicted

    def turn(self) -> bool:
        """Deliver, take and compute once; False if the lane was empty, or is not this drainer's any more."""
        self._follow_alias()
        return self._step()

    def renew(self) -> bool:
        """A `turn` of an idle lane, which leaves its model as it is: in use it is not."""
        return self._step()

    def leave(self) -> None:
        """Deliver what is computed, and hand the lane to others."""
        try:
            if self._answers != _Answers():
                self._take(most=0)
        finally:
            self._connection.run(lanes.leave(self.ref, self.name))

    def _step(self) -> bool:
        match self._served:
            case None:
                most = 0
            case StokerError():
                most = _TO_REFUSE
            case model:
                most = model.most
        batch = self._take(most)
        self._answers = _Answers()
        self.lost = batch is None
        if not (batch and batch.requests):
            return False
        self._answers = self._compute(batch)
        self.quiet_since = time.monotonic()
        return True

    def _take(self, most: int) -> lanes.Batch | None:
        call = lanes.take(
            self.ref,
            self.name,
            LEASE_S,
            turn=next(self._turns),
            most=most,
            answers=self._answers.by_client,
            results=self._answers.results,
        )
        return self._connection.run(call)

    def _compute(self, batch: lanes.Batch) -> _Answers:
        """The answers to a batch. What is no request, or whose caller has gone, is left out."""
        taken = [request for request in map(frames.decode_request, batch.requests) if request]
        requests = [request for request in taken if request.deadline_ms > batch.now_ms]
        outcomes: Sequence[Outcome]
        if self._served is None or isinstance(self._served, StokerError):
            assert self._served, "nothing is taken before there is a model"
            outcomes = [self._served] * len(requests)
        else:
            outcomes = self._served.answer([request.tensors for request in requests])
        self.requests += len(requests)
        self.batches += 1
        told: dict[str, list[tuple[int, Outcome]]] = defaultdict(list)
        results: list[lanes.CeleryResult] = []
        for request, outcome in zip(requests, outcomes, strict=True):
            if request.number == frames.RESULT:
                results.append(later.result(request.client, outcome))
            else:
                told[request.client].append((request.number, outcome))
        if len(requests) < len(taken):
            results += [
                later.result(request.client, Timeout(f"{self.ref!r} did not come to it in time; ask again"))
                for request in taken
                if request.number == frames.RESULT and request.deadline_ms <= batch.now_ms
            ]
        return _Answers({client: frames.encode_answers(some) for client, some in told.items()}, results)

    def _follow_alias(self) -> None:
        """Serve the newest version as soon as it is loaded; until then, the one before."""
        if self.evicted:
            self._served = None
        now = time.monotonic()
        resolves = now - self._resolved_at >= _RESOLVE_EVERY_S
        # While the store is away, it is asked once a second as well.
        if not resolves and (self._served is not None or self._outage_since is not None):
            return
        try:
            if resolves:
                self._resolved_at = now
                self._version = self._connection.run(registry.resolve(self.ref))
            assert self._version, "it was resolved, now or before"
            loaded = self._load(self._version)
        except Unavailable as error:
            # Who is served goes on with what is loaded, and who waits may wait a little.
            self._outage_since = now if self._outage_since is None else self._outage_since
            if self._served is None and now - self._outage_since >= _OUTAGE_S:
                self._served = error
        except StokerError as error:
            self._served = error
        else:
            if loaded is not None:
                self._served, self._outage_since = loaded, None
            elif isinstance(self._served, StokerError):
                # What was refused is tried again, and its callers wait for how that ends.
                self._served = None
