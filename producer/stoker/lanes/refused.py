"""What a lane does not take, and why."""

import math
from dataclasses import dataclass

from ..errors import TooManyRequests, Unavailable


@dataclass(frozen=True)
class Refused:
    """Requests that a lane has not taken.

    Attributes:
        first: the place of the first of them among those that were pushed; all behind it are refused, too.
    """

    first: int
    error: Unavailable


def refused(ref: str, most: int, answer: int | list[int]) -> Refused | None:
    """What a lane has refused; None for nothing.

    Args:
        most: how many requests it may hold.
        answer: what push.lua says of it.
    """
    if isinstance(answer, list):
        taken, wait_ms, most_a_minute = answer
        model = ref.partition("@")[0]
        message = (
            f"the guard of {model} allows {most_a_minute:,} requests a minute of each user of Redis: try again in "
            f"{max(1, math.ceil(wait_ms / 1000))} s, or send more rows in a request"
        )
        return Refused(taken, TooManyRequests(message))
    if answer >= 0:
        return None
    message = (
        f"the lane of {ref!r} is full: {-1 - answer:,} requests wait, {most:,} is the limit; send fewer at once, try "
        "again later or add workers"
    )
    return Refused(0, Unavailable(message))
