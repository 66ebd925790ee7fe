"""What the jobs of a fleet are expected to take, from those like them that have ended."""

from typing import Self

from pydantic import ValidationError

from stoker.fleet.topology import WorkDevice
from stoker.foresight.estimates import Estimate, Shown
from stoker.kinds.likeness import Likeness
from stoker.ledger import foresight
from stoker.redis.connection import Connection

# How soon jobs that have ended meanwhile count, and how many different ones are remembered until then.
_LOOKED_AT_EVERY_S = 30.0
_MOST = 2_000


class Expectation:
    """Reads what jobs took now and then, and fits it once for all jobs of a kind."""

    def __init__(self, device: WorkDevice, connection: Connection) -> None:
        self._device = device
        self._connection = connection
        self._read_at = float("-inf")
        self._shown: dict[str, Shown | None] = {}
        self._estimates: dict[tuple[str, str | None], Estimate | None] = {}

    def at(self, now_s: float) -> Self:
        """As it is at this moment: what was read long ago is read again."""
        if not 0 <= now_s - self._read_at < _LOOKED_AT_EVERY_S or len(self._estimates) > _MOST:
            self._read_at = now_s
            self._shown.clear()
            self._estimates.clear()
        return self

    def of(self, kind: str, alike: str | None) -> Estimate | None:
        """What a job takes, in seconds; None if nothing is known of its kind.

        Args:
            alike: what it has in common with others, as JSON that may have been written by anyone; None for what the
                jobs of the kind took that ended lately, whatever they were.
        """
        if (kind, alike) not in self._estimates:
            self._estimates[kind, alike] = self._estimate(kind, alike)
        return self._estimates[kind, alike]

    def _estimate(self, kind: str, alike: str | None) -> Estimate | None:
        if kind not in self._shown:
            examples = self._connection.run(foresight.examples(self._device, kind))
            self._shown[kind] = Shown(examples, 1.0, kind) if examples else None
        shown = self._shown[kind]
        try:
            job = Likeness.model_validate_json(alike) if alike else None
        except ValidationError:
            job = None
        return shown.estimate(job) if shown else None
