"""Waiting for news of many jobs at once, and what ends such a wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..events import Finished, read_event
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


@dataclass(frozen=True)
class News:
    """What is new of a job, or of the interrupts of a client.

    Attributes:
        newest: the id of its newest event.
        end: the id of the event that says how the job has ended; None if none of these does.
    """

    newest: str
    end: str | None = None


def news(client: str, interrupted: str, positions: Mapping[str, str], block_ms: int) -> Call[dict[str, News]]:
    """Wait until any of these jobs has an event behind the one beside it, or the wait is interrupted.

    Args:
        client: whose wait it is.
        interrupted: the id of its last interrupt.
        positions: ids of events by job.

    Returns:
        What is new, by job; under "" that of the interrupts.
    """
    names = {key("interrupts", client): "", **{key("events", job_id): job_id for job_id in positions}}
    words: tuple[Word, ...] = ("XREAD", "COUNT", _COUNT, "BLOCK", block_ms, "STREAMS", *names, interrupted)

    def decode(answer: list[Any] | None) -> dict[str, News]:
        return {names[stream.decode()]: _news(entries) for stream, entries in answer or ()}

    return Call((*words, *positions.values()), decode)


def _news(entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> News:
    end = next((number.decode() for number, fields in reversed(entries) if _says_end(fields.get(b"event", b""))), None)
    return News(entries[-1][0].decode(), end)


def _says_end(event: bytes) -> bool:
    # Most are something else, and something else may have written there.
    return b"finished" in event and isinstance(read_event(event), Finished)


def interrupt(client: str) -> Call[None]:
    """End a client's wait for news."""
    return Call((client,), lambda _: None, INTERRUPT)
