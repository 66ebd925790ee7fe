"""A job's events as frames of a stream."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from ...client.async_job import AsyncJob
from ...events import Event
from .stream import Frame


async def frames(job: AsyncJob[Any], events: AsyncIterator[Event], after: str | None) -> AsyncIterator[Frame]:
    """A job's events behind one of them, to the last; a "resync" first, where some of these are no longer kept."""
    if after and (oldest := await _oldest(job)) is not None and _place(after) < _place(oldest):
        # It has no id: who loses the connection now is told once more.
        yield Frame("", "resync", "{}")
    async with aclosing(events):  # type: ignore[type-var]  # it is an async generator
        async for event in events:
            yield Frame(event.id, event.type, event.model_dump_json())


async def _oldest(job: AsyncJob[Any]) -> str | None:
    """The id of the oldest event of a job that is kept."""
    async with aclosing(job.events()) as events:  # type: ignore[type-var]  # it is an async generator
        first = await anext(events, None)
        return first.id if first else None


def _place(event_id: str) -> tuple[int, int]:
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number or 0)
