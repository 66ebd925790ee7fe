"""Draining one lane, in a predictor process: deliver the answers to the last batch, take the next one, compute it."""

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stoker import lanes
from stoker.errors import StokerError, Timeout, Unavailable
from stoker.lanes import frames, later
from stoker.ledger import registry
from stoker.models.manifest import ModelVersion
from stoker.redis.connection import Connection

from .gate import Gate
from .model import LoadBeside, LoadModel, Model, Response
from .routing import Router
from .sampling import Sampler

# Longer than a batch takes; a drainer that does not renew its lease loses its requests.
LEASE_S = 10.0
# How soon a drainer notices that an alias has moved.
_RESOLVE_EVERY_S = 1.0
# How long callers wait for a store that is away before they get an error.
_OUTAGE_S = 5.0
# How many requests are refused at once if there is no model.
_TO_REFUSE = 256


class Unable(Unavailable):
    """This worker lacks what a version needs; another may have it."""


@dataclass(frozen=True)
class _Delivery:
    """The answers to a batch: encoded for each client, and for Celery's result backend."""

    by_client: Mapping[str, bytes] = field(default_factory=dict)
    results: Sequence[lanes.CeleryResult] = ()
    counted: lanes.Counted | None = None


class Drainer:
    """Drains one lane, step by step.

    Args:
        name: unique among all drainers.
        load: gives the model of a version, None while it is loaded, or the error that it cannot be loaded for, which is
            `Unable` if other workers may do better; raises Unavailable while the store is away.
        beside: does so for a version that gets a share of the lane's requests; None to load it as any other.

    Attributes:
        quiet_since: when the lane last had requests, by the monotonic clock.
        lost: whether the drainer has lost the lane, because its process stood still for longer than its lease.
        hands_over: whether it should leave the lane to another worker, which can serve it.
        requests, batches: how many were computed.
    """

    def __init__(
        self, connection: Connection, ref: str, name: str, load: LoadModel, beside: LoadBeside | None = None
    ) -> None:
        self.ref = ref
        self.name = name
        self.quiet_since = time.monotonic()
        self.lost = self.hands_over = False
        self.requests = self.batches = 0
        self._connection = connection
        self._load = load
        self._sampler = Sampler(connection, ref)
        self._gate = Gate(connection, ref)
        self._turns = itertools.count(1)
        self._delivery = _Delivery()
        self._served: Model | StokerError | None = None
        # The newest version behind the reference, and the one that is served until that is loaded.
        self._version: ModelVersion | None = None
        self._served_version: ModelVersion | None = None
        self._router = Router(connection, beside or (lambda version, _: load(version)))
        self._resolved_at = -math.inf
        self._outage_since: float | None = None

    def join(self) -> bool:
        """Become one of the lane's drainers; False if the lane needs none."""
        return self._connection.run(lanes.join(self.ref, self.name, LEASE_S))

    @property
    def loads(self) -> bool:
        """Whether the lane waits for its first model to be loaded."""
        return self._served is None

    @property
    def evicted(self) -> bool:
        """Whether the lane's model has been evicted."""
        return self._served is not None and not isinstance(self._served, StokerError) and self._served.evicted

    def turn(self) -> bool:
        """Deliver, take and compute once; False if the lane was empty, is lost or is for another worker."""
        self._follow_alias()
        self.hands_over = isinstance(self._served, Unable) and self._connection.run(lanes.servable(self.ref))
        return not self.hands_over and self._step()

    def renew(self) -> bool:
        """A `turn` of an idle lane, which does not count as a use of its model."""
        return self._step()

    def leave(self) -> None:
        """Deliver the last answers, and leave the lane to others."""
        try:
            if self._delivery != _Delivery():
                self._take(most=0)
            self._sampler.send()
            self._gate.send()
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
        self._delivery = _Delivery()
        self.lost = batch is None
        if batch is None:
            return False
        self._heed(batch)
        self._sampler.ask()
        self._gate.ask()
        if not batch.requests:
            self._router.shadow()
            self._delivery = _Delivery(counted=self._router.counted())
            return False
        self._delivery = self._compute(batch)
        self.quiet_since = time.monotonic()
        return True

    def _take(self, most: int) -> lanes.Batch | None:
        call = lanes.take(
            self.ref,
            self.name,
            LEASE_S,
            turn=next(self._turns),
            most=most,
            answers=self._delivery.by_client,
            results=self._delivery.results,
            counted=self._delivery.counted,
        )
        return self._connection.run(call)

    def _heed(self, batch: lanes.Batch) -> None:
        """Follow the alias before the next batch if it has moved, and its route, or a promotion, from this one on."""
        if batch.points_at is not None and self._version and batch.points_at != self._version.version:
            self._resolved_at = -math.inf
            if promoted := self._router.loaded(batch.points_at):
                self._served, self._version = promoted
                self._served_version = self._version
        self._router.heed(batch.route)

    def _compute(self, batch: lanes.Batch) -> _Delivery:
        """The answers to a batch, except for malformed requests and those whose deadline has passed."""
        taken = [request for request in map(frames.decode_request, batch.requests) if request]
        requests = [request for request in taken if request.deadline_ms > batch.now_ms]
        self.requests += len(requests)
        self.batches += 1
        by_client: dict[str, list[tuple[int, Response, int | None]]] = defaultdict(list)
        results: list[lanes.CeleryResult] = []
        for request, (response, version) in zip(requests, self._answers(requests), strict=True):
            if request.number == frames.RESULT:
                results.append(later.result(request.client, response))
            else:
                by_client[request.client].append((request.number, response, version))
        if len(requests) < len(taken):
            results += [
                later.result(request.client, Timeout(f"{self.ref!r} did not come to it in time; ask again"))
                for request in taken
                if request.number == frames.RESULT and request.deadline_ms <= batch.now_ms
            ]
        encoded = {client: frames.encode_answers(some) for client, some in by_client.items()}
        return _Delivery(encoded, results, self._router.counted())

    def _answers(self, requests: Sequence[frames.Request]) -> Sequence[tuple[Response, int | None]]:
        """The answer to each request, with the number of the version that gives it."""
        if self._served is None or isinstance(self._served, StokerError):
            assert self._served, "nothing is taken before there is a model"
            return [(self._served, None)] * len(requests)
        assert self._served_version, "it is that of the model that is served"
        model, served = self._served, self._served_version
        if not self._gate.is_guarded:
            return self._computed(model, served, requests)
        refusals = [self._gate.refusal(served, request.tensors) for request in requests]
        passed = [request for request, refusal in zip(requests, refusals, strict=True) if refusal is None]
        of_number = {version.version: version for version in (served, self._router.version) if version}
        answered = (
            (self._gate.checked(of_number.get(number or 0, served), request.tensors, response), number)
            for request, (response, number) in zip(passed, self._computed(model, served, passed), strict=True)
        )
        return [(refusal, None) if refusal else next(answered) for refusal in refusals]

    def _computed(
        self, model: Model, served: ModelVersion, requests: Sequence[frames.Request]
    ) -> Sequence[tuple[Response, int | None]]:
        started = time.perf_counter()
        answers = self._router.answer(model, served, requests)
        self._sampler.saw(requests, answers, (served, self._router.version), time.perf_counter() - started)
        return answers

    def _follow_alias(self) -> None:
        """Serve the newest version as soon as it is loaded; until then, the previous one."""
        if self.evicted:
            self._served = None
        if self._router.is_open and self._served_version and not isinstance(self._served, StokerError | None):
            self._router.load(self._served_version)
        now = time.monotonic()
        resolves = now - self._resolved_at >= _RESOLVE_EVERY_S
        # While the store is away, loading is tried once a second, too.
        if not resolves and (self._served is not None or self._outage_since is not None):
            return
        try:
            if resolves:
                self._resolved_at = now
                self._version = self._connection.run(registry.resolve(self.ref))
            assert self._version, "it was resolved, now or before"
            loaded = self._load(self._version)
        except Unavailable as error:
            # A loaded model goes on; without one, callers wait a little.
            self._outage_since = now if self._outage_since is None else self._outage_since
            if self._served is None and now - self._outage_since >= _OUTAGE_S:
                self._served = error
        except StokerError as error:
            self._served = error
        else:
            if loaded is not None:
                self._served, self._served_version, self._outage_since = loaded, self._version, None
            elif isinstance(self._served, StokerError):
                # A version that was refused is tried again; its callers wait.
                self._served = None
