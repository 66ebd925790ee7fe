"""Waiting for news of many jobs at once, and what ends such a wait."""

from collections.abc import Mapping
from typing import Any

from ..redis.calls import Call, Script, Word
from .keys import key, lua_tables

# Enough that a reader keeps up with a job that logs a lot, little enough for one answer.
_COUNT = 100
INTERRUPT = Script(
    lua_tables()
    + """
-- ARGV: client
redis.call('XADD', KEY.interrupts .. ARGV[1], 'MAXLEN', 1, '*', 'by', 'client')
redis.call('EXPIRE', KEY.interrupts .. ARGV[1], 60)
"""
)


def news(client: str, interrupted: str, positions: Mapping[str, str], block_ms: int) -> Call[dict[str, str]]:
    """Wait until any of these jobs has an event behind the one beside it, or the wait is interrupted.

    Args:
        client: whose wait it is.
        interrupted: the id of its last interrupt.
        positions: ids of events by job.

    Returns:
        The id of a newer event by job; under "" that of the interrupt.
    """
    names = {key("interrupts", client): "", **{key("events", job_id): job_id for job_id in positions}}
    words: tuple[Word, ...] = ("XREAD", "COUNT", _COUNT, "BLOCK", block_ms, "STREAMS", *names, interrupted)

    def decode(answer: list[Any] | None) -> dict[str, str]:
        return {names[stream.decode()]: entries[-1][0].decode() for stream, entries in answer or ()}

    return Call((*words, *positions.values()), decode)


def interrupt(client: str) -> Call[None]:
    """End a client's wait for news."""
    return Call((client,), lambda _: None, INTERRUPT)
