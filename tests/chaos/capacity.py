"""How many slots were free at what time: what tells a job that waited for a slot from one that nobody had noticed."""

import json
import time
from contextlib import suppress

import redis

from .fleet import Fleet

_EVERY_S = 0.5
# A worker says twice a second that it is there; one silent for longer is no capacity.
_SILENT_MS = 3000


class Capacity:
    """Looks at the workers' announcements and at what runs."""

    def __init__(self, fleet: Fleet) -> None:
        self._redis = fleet.connect()
        self._looked_at = 0.0
        self._free: list[tuple[int, bool]] = []

    def look(self) -> None:
        """Note whether a slot is free, if it is time to; nothing while Redis does not say."""
        if time.monotonic() < self._looked_at + _EVERY_S:
            return
        self._looked_at = time.monotonic()
        with suppress(redis.RedisError):
            now_ms = time.time_ns() // 1_000_000
            heard = self._redis.scored("stoker:workers:seen")
            workers = self._redis.fields("stoker:workers")
            slots = sum(
                json.loads(said)["slots"] for name, said in workers.items() if heard[name] > now_ms - _SILENT_MS
            )
            self._free.append((now_ms, slots > len(self._redis.scored("stoker:leases"))))

    def free_ms(self, since_ms: int, until_ms: int) -> int:
        """For how long a slot was free between two times."""
        looks = [(at, free) for at, free in self._free if since_ms <= at < until_ms]
        ends = [*(at for at, _ in looks[1:]), until_ms]
        return sum(end - at for (at, free), end in zip(looks, ends, strict=False) if free)
