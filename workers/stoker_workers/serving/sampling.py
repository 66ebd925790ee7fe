"""Samples of what a predictor process answers, while a job watches the model.

A lane asks once a second, and does nothing else as long as nothing is to be sampled. What is sampled waits in the
process and goes to Redis once a second, in few calls beside the answers, which never wait for it.
"""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from stoker.errors import StokerError
from stoker.lanes import frames
from stoker.ledger import sampling
from stoker.ledger.sampling import Sampling
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.requests import RequestId
from stoker.models.tensors import Array, decode_tensors, joined_rows
from stoker.redis.connection import Connection

from ..ml.drift.batches import LATENCY, encoded
from ..ml.drift.columns import answers_of, columns_of

_log = logging.getLogger(__name__)
_ASK_EVERY_S = 1.0
_SEND_EVERY_S = 1.0
_ENOUGH = 64
# An answer is decoded and summarised for each: of a busy lane, no more than so many in a second.
_MOST_A_SECOND = 512
# What stands for an answer that no label can be held against.
_UNJUDGED = "-"

_Kept = tuple[frames.Request, bytes, float]


class Sampler:
    """Keeps samples of one lane's requests.

    Args:
        ref: the lane's reference.
    """

    def __init__(self, connection: Connection, ref: str) -> None:
        self._connection = connection
        self._model = ref.partition("@")[0]
        self._wanted: Sampling | None = None
        self._asked_at = self._sent_at = float("-inf")
        self._left = _MOST_A_SECOND
        self._waiting: defaultdict[str, list[_Kept]] = defaultdict(list)
        self._versions: dict[str, ModelVersion] = {}

    def ask(self) -> None:
        """Find out, once a second, what is to be sampled; sends what waits."""
        now = time.monotonic()
        if now - self._asked_at >= _ASK_EVERY_S:
            self._asked_at, self._left = now, _MOST_A_SECOND
            self._wanted = self._connection.run(sampling.wanted(self._model))
        if self._waiting and now - self._sent_at >= _SEND_EVERY_S:
            self.send()

    def saw(
        self,
        requests: Sequence[frames.Request],
        answers: Sequence[tuple[bytes | StokerError, int | None]],
        versions: Sequence[ModelVersion | None],
        seconds: float,
    ) -> None:
        """Take samples of a batch.

        Args:
            answers: each with the number of the version that gave it, of those in `versions`.
            seconds: how long computing the batch took.
        """
        if self._wanted is None:
            return
        by_number = {version.version: version for version in versions if version}
        for request, (response, number) in zip(requests, answers, strict=True):
            version = by_number.get(number or 0)
            if self._left > 0 and version and isinstance(response, bytes) and random.random() < self._wanted.share:
                self._left -= 1
                self._versions[version.ref] = version
                self._waiting[version.ref].append((request, response, seconds))

    def send(self) -> None:
        """Send what waits, in batches."""
        waiting, self._waiting = self._waiting, defaultdict(list)
        versions, self._versions = self._versions, {}
        self._sent_at = time.monotonic()
        for ref, kept in waiting.items():
            for start in range(0, len(kept), _ENOUGH):
                if self._wanted:
                    self._send(self._wanted, versions[ref], kept[start : start + _ENOUGH])

    def _send(self, wanted: Sampling, version: ModelVersion, kept: Sequence[_Kept]) -> None:
        try:
            inputs = _inputs(version, [request.tensors for request, _, _ in kept])
            outputs = joined_rows([decode_tensors(response) for _, response, _ in kept])
            columns = columns_of(version, inputs, outputs, wanted.off)
        except (StokerError, ValueError) as error:  # requests that do not fit each other, of a model with free sizes
            _log.debug("%d requests to %s are not sampled: %s", len(kept), version.ref, error)
            return
        rows = [_rows_of(request.tensors) for request, _, _ in kept]
        answers = answers_of(version, columns) or [_UNJUDGED] * sum(rows)
        ids: dict[str, str] = {}
        for (request, _, _), count, first in zip(kept, rows, np.cumsum([0, *rows[:-1]]), strict=True):
            # A label is of one row, and of a request whose id its caller knows.
            if request.number != frames.RESULT:
                request_id = RequestId(version.ref, request.client, request.number & ~frames.NAMES_VERSION)
                is_judged = count == 1 and "\n" not in answers[first]
                ids[str(request_id)] = answers[first] if is_judged else _UNJUDGED
        columns[LATENCY] = np.repeat([seconds for _, _, seconds in kept], rows)
        if not self._connection.run(sampling.keep(wanted.job, version.ref, encoded(columns), ids)):
            self._wanted = None


def _inputs(version: ModelVersion, requests: Sequence[bytes]) -> dict[str, Array]:
    """The rows of several requests by input; each may have them by name, or a single one as an array."""
    own = Inputs(version.signature, version.ref)
    each = [own.ordered(decode_tensors(tensors)) for tensors in requests]
    return {spec.name: np.concatenate(arrays) for spec, *arrays in zip(own.specs, *each, strict=True)}


def _rows_of(tensors: bytes) -> int:
    decoded = decode_tensors(tensors)
    return len(decoded) if isinstance(decoded, np.ndarray) else len(next(iter(decoded.values())))
