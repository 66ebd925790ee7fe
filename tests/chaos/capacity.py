"""How many slots were free at what time: what tells a job that waited for a slot from one that nobody had noticed."""

import json
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import suppress

import redis

from .deployment import Deployment

_EVERY_S = 0.5
# A worker says twice a second that it is there; one silent for longer is no capacity.
_SILENT_MS = 3000


class Capacity:
    """Looks at the workers' announcements and at what occupies their slots: jobs, members of gangs and lanes."""

    def __init__(self, deployment: Deployment) -> None:
        self._redis = deployment.connect()
        self._looked_at = 0.0
        self._free: list[tuple[int, int]] = []

    def look(self) -> None:
        """Note how many slots are free, if it is time to; nothing while Redis does not say."""
        if time.monotonic() < self._looked_at + _EVERY_S:
            return
        self._looked_at = time.monotonic()
        with suppress(redis.RedisError):
            now_ms = time.time_ns() // 1_000_000
            heard = self._redis.scored("stoker:workers:seen")
            workers = self._redis.fields("stoker:workers")
            slots = sum(
                json.loads(said)["slots"] for name, said in workers.items() if heard.get(name, 0) > now_ms - _SILENT_MS
            )
            self._free.append((now_ms, slots - self._occupied()))

    def free_ms(self, since_ms: int, until_ms: int, starts_ms: Sequence[int]) -> int:
        """For how long a slot was free for a job that was queued at one time and started at another.

        A slot is free for it when more are free than other jobs were started before it from then on.

        Args:
            starts_ms: when jobs were started, sorted.
        """
        looks = [(at, free) for at, free in self._free if since_ms <= at < until_ms]
        ends = [*(at for at, _ in looks[1:]), until_ms]
        own = bisect_left(starts_ms, until_ms)
        return sum(
            end - at
            for (at, free), end in zip(looks, ends, strict=False)
            if free > max(0, own - bisect_right(starts_ms, at))
        )

    def _occupied(self) -> int:
        members = sum(len(self._redis.scored(gang)) - 1 for gang in self._redis.names("stoker:gang:*"))
        # "<watch>.<number> <lane>": a slot watches several lanes at once.
        watches = {name.partition(" ")[0].rpartition(".")[0] for name in self._redis.scored("stoker:drainers")}
        return len(self._redis.scored("stoker:leases")) + members + len(watches)
