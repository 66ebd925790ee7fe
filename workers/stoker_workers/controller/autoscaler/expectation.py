"""What the jobs of a fleet are expected to take, from those like them that have ended."""

from typing import Self

from pydantic import ValidationError

from stoker.fleet.topology import WorkDevice
from stoker.foresight.estimates import Estimate, Example, estimate
from stoker.kinds.likeness import Likeness
from stoker.ledger import foresight
from stoker.redis.connection import Connection

# How soon jobs that have ended meanwhile count, and how many different ones are remembered until then.
_LOOKED_AT_EVERY_S = 30.0
_MOST = 2_000


class Expectation:
    """Reads what jobs took now and then, and fits it once for all jobs that are alike."""

    def __init__(self, device: WorkDevice, connection: Connection) -> None:
        self._device = device
        self._connection = connection
        self._read_at = float("-inf")
        self._examples: dict[str, list[Example]] = {}
        self._fitted: dict[tuple[str, str | None], Estimate | None] = {}

    def at(self, now_s: float) -> Self:
        """As it is at this moment: what was read long ago is read again."""
        if not 0 <= now_s - self._read_at < _LOOKED_AT_EVERY_S or len(self._fitted) > _MOST:
            self._read_at = now_s
            self._examples.clear()
            self._fitted.clear()
        return self

    def of(self, kind: str, alike: str | None) -> Estimate | None:
        """What a job takes, in seconds; None if nothing is known of its kind.

        Args:
            alike: what it has in common with others, as JSON that may have been written by anyone; None for what the
                jobs of the kind took that ended lately, whatever they were.
        """
        if (kind, alike) not in self._fitted:
            self._fitted[kind, alike] = self._fit(kind, alike)
        return self._fitted[kind, alike]

    def _fit(self, kind: str, alike: str | None) -> Estimate | None:
        if kind not in self._examples:
            self._examples[kind] = self._connection.run(foresight.examples(self._device, kind))
        examples = self._examples[kind]
        try:
            job = Likeness.model_validate_json(alike) if alike else None
        except ValidationError:
            job = None
        return estimate(examples, job, 1.0, kind) if examples else None
