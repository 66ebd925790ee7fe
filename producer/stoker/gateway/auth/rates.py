"""How many requests each key has left, in windows of a minute and a day.

Each gateway counts its own. A window begins with the clock's minute or day of UTC, so that a caller of several
gateways sees the same end.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .keys import ApiKey

_MINUTE_S, _DAY_S = 60, 86_400


class Rate(NamedTuple):
    """What is left of one limit.

    Attributes:
        name: "minute" or "day".
        most: how many requests there may be in a window.
        window_s: how long that is, in seconds.
        left: how many there may be yet; -1 if this one is refused.
        reset_s: seconds until the next window.
    """

    name: str
    most: int
    window_s: int
    left: int
    reset_s: int


class Rates:
    """Counts requests by key.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # By key and window: the window's number, and how many requests it has had.
        self._counts: dict[tuple[str, int], tuple[int, int]] = {}

    def count(self, key: ApiKey) -> list[Rate]:
        """Count a request of a key; gives what is left of each of its limits, the tightest first.

        A request that is refused is not counted.
        """
        if key.per_minute is None and key.per_day is None:
            return []
        now = self._clock()
        rates = [self._rate(key.id, now, *limit) for limit in _limits(key)]
        if all(rate.left >= 0 for rate in rates):
            for rate in rates:
                self._counts[key.id, rate.window_s] = int(now // rate.window_s), rate.most - rate.left
        return sorted(rates, key=lambda rate: (rate.left, -rate.reset_s))

    def _rate(self, key_id: str, now: float, name: str, most: int, window_s: int) -> Rate:
        window = int(now // window_s)
        last, count = self._counts.get((key_id, window_s), (window, 0))
        left = most - (count if last == window else 0) - 1
        return Rate(name, most, window_s, left, max(1, int((window + 1) * window_s - now)))


def _limits(key: ApiKey) -> Iterator[tuple[str, int, int]]:
    if key.per_minute is not None:
        yield "minute", key.per_minute, _MINUTE_S
    if key.per_day is not None:
        yield "day", key.per_day, _DAY_S


def headers_of(rates: list[Rate]) -> list[tuple[bytes, bytes]]:
    """The RateLimit headers of an answer (draft-ietf-httpapi-ratelimit-headers-11)."""
    if not rates:
        return []
    policy = ", ".join(f'"{rate.name}";q={rate.most};w={rate.window_s}' for rate in rates)
    tightest = rates[0]
    left = f'"{tightest.name}";r={max(0, tightest.left)};t={tightest.reset_s}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]
