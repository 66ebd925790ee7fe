"""What a drainer does for an alias with a route: some requests go to another version, and what both do is counted."""

import json
import time
from collections import Counter
from collections.abc import Sequence

from stoker import lanes
from stoker.errors import StokerError, Unavailable
from stoker.lanes import frames
from stoker.lanes.frames import Request
from stoker.ledger import registry
from stoker.ledger.routes import Route
from stoker.models.manifest import ModelVersion
from stoker.outages import one_line
from stoker.redis.connection import Connection

from ..ml.prediction.predictor import FailsOnInputs
from . import evidence
from .model import LoadBeside, Model, Response

# How soon a version is tried again that could not be loaded; its route is closed if that is the model's fault.
_RETRY_S = 1.0
# The most requests that are computed again for a shadow in one pause of the lane.
_SHADOWED = 16
# Characters of an error that the evidence quotes.
_LONGEST_ERROR = 300

Answer = tuple[Response, int]
"""A response, and the number of the version that gave it."""


class Router:
    """Splits the requests of one lane between two versions.

    Until the second version is loaded, and where it fails, the first one answers: so a bad version costs no request.
    """

    def __init__(self, connection: Connection, load: LoadBeside) -> None:
        self._connection = connection
        self._load = load
        self._route: Route | None = None
        self._version: ModelVersion | None = None
        self._model: Model | None = None
        self._edges: evidence.EdgesOf | None = None
        self._next_try = 0.0
        self._counts: Counter[str] = Counter()
        self._news: dict[str, object] = {}
        self._to_shadow: tuple[list[bytes], list[bytes], ModelVersion] | None = None

    def heed(self, route: Route | None) -> None:
        """Take note of the route that came with a batch; a new one begins with nothing loaded."""
        before, self._route = self._route, route
        if before is None and route is None:
            return
        if route is None or before is None or (route.job, route.to) != (before.job, before.to):
            self._version = self._model = self._edges = self._to_shadow = None
            self._counts.clear()
            self._news.clear()
            self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the lane's alias has a route."""
        return self._route is not None

    def loaded(self, number: int) -> tuple[Model, ModelVersion] | None:
        """The second version, if it is the one of this number and loaded."""
        if self._model and self._version and self._version.version == number and not self._model.evicted:
            return self._model, self._version
        return None

    @property
    def version(self) -> ModelVersion | None:
        """The second version, if there is one and it is known."""
        return self._version

    def load(self, champion: ModelVersion) -> None:
        """Load the second version, a step at a time, while the champion serves; between two batches only."""
        if self._route is None or (self._model and not self._model.evicted) or time.monotonic() < self._next_try:
            return
        self._model = None
        try:
            if self._version is None:
                self._version = self._connection.run(registry.resolve(self._route.to_ref))
            loaded = self._load(self._version, champion)
        except Unavailable:
            loaded = None
            self._next_try = time.monotonic() + _RETRY_S
        except StokerError as error:  # it was removed, and the route with it
            loaded = error
        if isinstance(loaded, StokerError):
            self._next_try = time.monotonic() + _RETRY_S
        elif loaded is not None:
            self._model = loaded
            if not self._route.ready:
                self._news["ready"] = True

    def answer(self, model: Model, champion: ModelVersion, requests: Sequence[Request]) -> list[Answer]:
        """The answers to a batch.

        Args:
            model: the champion's.
        """
        route, second, version = self._route, self._model, self._version
        self._to_shadow = None
        if route is None or route.before != champion.version:
            return [
                (response, champion.version) for response in model.answer([request.tensors for request in requests])
            ]
        is_ready = second is not None and version is not None and not second.evicted
        share = route.goes_to if is_ready else 0.0
        theirs = [at for at, request in enumerate(requests) if frames.place(request) < share]
        ours = [at for at, request in enumerate(requests) if frames.place(request) >= share]
        answers: dict[int, Answer] = {}
        if ours:
            tensors = [requests[at].tensors for at in ours]
            responses, _ = self._compute("from", model, champion, tensors)
            answers.update(zip(ours, ((response, champion.version) for response in responses), strict=True))
            if route.shadow and is_ready:
                good = [(sent, got) for sent, got in zip(tensors, responses, strict=True) if isinstance(got, bytes)]
                self._to_shadow = [sent for sent, _ in good][:_SHADOWED], [got for _, got in good][:_SHADOWED], champion
        if theirs and second and version:
            tensors = [requests[at].tensors for at in theirs]
            responses, wrong = self._compute("to", second, version, tensors)
            answers.update(zip(theirs, ((response, version.version) for response in responses), strict=True))
            # What it fails on is the champion's: its caller gets an answer if there is one.
            for at, response in zip(wrong, model.answer([tensors[at] for at in wrong]), strict=True):
                answers[theirs[at]] = response, champion.version
                self._blame("to", responses[at], could_be_answered=isinstance(response, bytes))
        return [answers[at] for at in range(len(requests))]

    def shadow(self) -> None:
        """Compute some of the last batch again, by the version that is tried, now that its answers are delivered."""
        taken, self._to_shadow = self._to_shadow, None
        if taken is None or self._model is None or self._version is None or self._model.evicted:
            return
        tensors, answered, champion = taken
        responses, wrong = self._compute("shadow", self._model, self._version, tensors)
        for at in wrong:
            self._blame("shadow", responses[at], could_be_answered=True)
        pairs = [
            (ours, theirs)
            for at, (ours, theirs) in enumerate(zip(answered, responses, strict=True))
            if isinstance(theirs, bytes) and at not in wrong
        ]
        ours, theirs = evidence.rows_of([pair[0] for pair in pairs]), evidence.rows_of([pair[1] for pair in pairs])
        if ours is not None and theirs is not None:
            figures = evidence.disagreement(champion.signature, ours, theirs)
            self._counts.update(dict(zip(("compared", "disagreed", "difference"), figures, strict=True)))

    def counted(self) -> lanes.Counted | None:
        """What was counted since the last call, to be delivered with the answers; None if nothing was."""
        if self._route is None or not (self._counts or self._news):
            return None
        counted = lanes.Counted(self._route.job, dict(self._counts), json.dumps(self._news))
        self._counts.clear()
        self._news.clear()
        return counted

    def _compute(
        self, side: str, model: Model, version: ModelVersion, tensors: Sequence[bytes]
    ) -> tuple[Sequence[Response], list[int]]:
        """The responses of one version, which are counted, and which of them are no answers that anybody should get."""
        started = time.perf_counter()
        responses = model.answer(tensors)
        took_us = round((time.perf_counter() - started) * 1e6)
        encoded = [(at, response) for at, response in enumerate(responses) if isinstance(response, bytes)]
        finite = evidence.are_finite([response for _, response in encoded])
        good = [response for (_, response), is_finite in zip(encoded, finite, strict=True) if is_finite]
        refused = [at for (at, _), is_finite in zip(encoded, finite, strict=True) if not is_finite]
        failed = [at for at, response in enumerate(responses) if isinstance(response, StokerError)]
        batch = f"{evidence.exponent(len(tensors))} {evidence.exponent(took_us)}"
        self._counts[f"{side} latency {batch}"] += 1
        self._counts[f"{side} requests"] += len(good)
        self._count_rows(side, version, good)
        if side == "from":
            for at in (*failed, *refused):
                self._blame(side, responses[at], could_be_answered=False)
        return responses, sorted((*failed, *refused))

    def _blame(self, side: str, response: Response, *, could_be_answered: bool) -> None:
        """Count a request that a version did not answer, unless its inputs are to blame."""
        if isinstance(response, bytes):
            self._counts[f"{side} refused"] += 1
        elif could_be_answered or isinstance(response, FailsOnInputs):
            self._counts[f"{side} errors"] += 1
            if side != "from":
                self._news.setdefault("error", one_line(response)[:_LONGEST_ERROR])
        else:
            return
        self._counts[f"{side} requests"] += 1

    def _count_rows(self, side: str, version: ModelVersion, answers: Sequence[bytes]) -> None:
        rows = evidence.rows_of(answers)
        if rows is None or self._route is None:
            return
        edges = self._route.edges
        if not edges and side == "from":
            self._edges = self._edges or evidence.EdgesOf(version.signature)
            if found := self._edges.learn(rows):
                self._news["edges"] = found
        for output, counts in evidence.places(version.signature, rows, edges):
            for place, count in counts.items():
                self._counts[f"{side} output {output} {place}"] += count
