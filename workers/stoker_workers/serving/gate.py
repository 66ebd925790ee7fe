"""The gate of a lane: it holds requests and answers against the guard of the model, if that has one."""

import json
import logging
import time
from collections import Counter
from datetime import UTC, datetime

from stoker.errors import InvalidJob, StokerError
from stoker.ledger import guards
from stoker.ledger.guards import RefusedRow
from stoker.models.guard import Guard, row_of
from stoker.models.manifest import ModelVersion
from stoker.models.tensors import Tensors, decode_tensors
from stoker.redis.connection import Connection

from .model import Response

_log = logging.getLogger(__name__)
_ASK_EVERY_S = 1.0
# Rows that are noted a second; all are counted.
_MOST_A_SECOND = 32
_LONGEST_ROW = 1024
INPUT, OUTPUT = "input", "output"


class Gate:
    """Asks once a second for the guard, and notes as often what it has refused.

    Args:
        ref: the lane's reference.
    """

    def __init__(self, connection: Connection, ref: str) -> None:
        self._connection = connection
        self._model = ref.partition("@")[0]
        self._guard: Guard | None = None
        # Why nothing can be held against the guard.
        self._flaw: InvalidJob | None = None
        self._asked_at = float("-inf")
        self._counts: Counter[str] = Counter()
        self._rows: list[RefusedRow] = []

    def ask(self) -> None:
        """Find out, once a second, what the guard is; sends what waits."""
        now = time.monotonic()
        if now - self._asked_at >= _ASK_EVERY_S:
            self._asked_at = now
            try:
                self._guard, self._flaw = self._connection.run(guards.of(self._model)), None
            except InvalidJob as error:
                if self._flaw is None:
                    _log.error("%s", error.message)
                self._flaw = error
            self.send()

    def send(self) -> None:
        """Note what was refused."""
        if self._counts:
            refused, rows = self._counts, self._rows
            self._counts, self._rows = Counter(), []
            self._connection.run(guards.note(self._model, refused, rows))

    @property
    def is_guarded(self) -> bool:
        """Whether the model has a guard."""
        return self._guard is not None or self._flaw is not None

    def refusal(self, version: ModelVersion, request: bytes) -> StokerError | None:
        """Why a request is refused; None if it is not."""
        if self._flaw:
            return self._flaw
        if self._guard is None:
            return None
        try:
            tensors = decode_tensors(request)
            flaw = next(self._guard.flaws(version.signature, tensors), None)
        except InvalidJob as error:
            return error
        if flaw is None:
            return None
        row, why = flaw
        self._note(INPUT, version, why, tensors, row)
        return InvalidJob(f"the guard of {version.name} refuses row {row} (the first row is 0): {why}")

    def checked(self, version: ModelVersion, request: bytes, response: Response) -> Response:
        """An answer, or an error in its place."""
        if self._guard is None or isinstance(response, StokerError):
            return response
        flaw = self._guard.flaw_of_outputs(version.signature, decode_tensors(response))
        if flaw is None:
            return response
        self._note(OUTPUT, version, flaw, decode_tensors(request), 0)
        return InvalidJob(
            f"the guard of {version.name} refuses the answer of {version.ref}: {flaw}; roll the alias back"
        )

    def _note(self, what: str, version: ModelVersion, why: str, tensors: Tensors, row: int) -> None:
        self._counts[what] += 1
        if len(self._rows) < _MOST_A_SECOND:
            shown = json.dumps(row_of(version.signature, tensors, row), default=str)[:_LONGEST_ROW]
            self._rows.append(RefusedRow(at=datetime.now(UTC), version=version.ref, why=why, row=shown))
