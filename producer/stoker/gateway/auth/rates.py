"""How many requests each key has left, in windows of a minute and a day.

Each gateway counts its own, and learns once a second what the others have had: see sharing.py. A window begins with the
clock's minute or day of UTC, so that all have the same.
"""

import time
from collections.abc import Callable, Iterator, Sequence
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


class Count(NamedTuple):
    """How many requests of a key this gateway has had within a window.

    Attributes:
        window_s: how long the window is, in seconds.
        window: its number since 1970.
    """

    key_id: str
    window_s: int
    window: int
    requests: int


class Rates:
    """Counts requests by key.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # By key and window: the window's number, and how many requests it has had.
        self._counts: dict[tuple[str, int], tuple[int, int]] = {}
        # The same of the others.
        self._others: dict[tuple[str, int], tuple[int, int]] = {}
        self._unshared: set[tuple[str, int]] = set()

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
                place, window = (key.id, rate.window_s), int(now // rate.window_s)
                self._counts[place] = window, _in(window, self._counts.get(place)) + 1
                self._unshared.add(place)
        return sorted(rates, key=lambda rate: (rate.left, -rate.reset_s))

    def unshared(self) -> list[Count]:
        """What has been counted since the others were told."""
        return [Count(*place, *self._counts[place]) for place in sorted(self._unshared)]

    def learn(self, counts: Sequence[Count], others: Sequence[int]) -> None:
        """Take note that the others know of these counts, and of what they have had themselves."""
        for count, of_others in zip(counts, others, strict=True):
            place = count.key_id, count.window_s
            self._others[place] = count.window, of_others
            if self._counts[place] == (count.window, count.requests):
                self._unshared.discard(place)

    def _rate(self, key_id: str, now: float, name: str, most: int, window_s: int) -> Rate:
        window, place = int(now // window_s), (key_id, window_s)
        taken = _in(window, self._counts.get(place)) + _in(window, self._others.get(place))
        return Rate(name, most, window_s, max(most - taken - 1, -1), max(1, int((window + 1) * window_s - now)))


def _in(window: int, counted: tuple[int, int] | None) -> int:
    """How many requests were counted in a window."""
    return counted[1] if counted and counted[0] == window else 0


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
