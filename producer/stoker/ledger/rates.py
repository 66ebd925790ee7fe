"""How many requests of API keys all gateways have had, in windows of time."""

from collections.abc import Sequence

from ..redis.calls import Call, Word
from .scripts import script

Count = tuple[str, int, int, int]
"""The id of a key, the length of a window in seconds, its number since 1970, and the requests of the key in it."""


def share(gateway: str, counts: Sequence[Count]) -> Call[list[int]]:
    """Note how many requests a gateway has had; gives, for each count, how many the others have had."""
    words: list[Word] = [gateway]
    for count in counts:
        words += count
    return Call(tuple(words), lambda answer: list(map(int, answer)), script("share_rates"))
