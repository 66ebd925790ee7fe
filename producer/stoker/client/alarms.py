"""Alarms of models, and what else happened to them."""

from datetime import datetime

from ..errors import InvalidArgument
from ..kinds.problems import short
from ..ledger import alarms
from ..ledger.alarms import Alarm
from ..redis.calls import Call
from . import arguments
from .calls import AsyncCalls, Calls


class AlarmCalls(Calls):
    """A part of the blocking client."""

    def alarms(self, since: str | datetime | None = None, limit: int = 100) -> list[Alarm]:
        """What happened to models, the oldest first: drift, a loss of performance, promotions, new versions.

        The newest 10,000 are kept.

        Args:
            since: an alarm's id, for those after it, or a time with a zone; None for the newest.
            limit: how many to give, at most.
        """
        return self._run(_alarms(since, limit))


class AsyncAlarmCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def alarms(self, since: str | datetime | None = None, limit: int = 100) -> list[Alarm]:
        """See `Client.alarms`."""
        return await self._run(_alarms(since, limit))


def _alarms(since: object, limit: object) -> Call[list[Alarm]]:
    most = arguments.limit(limit)
    if since is None:
        return alarms.newest(most)
    if moment := arguments.moment(since, "since") if isinstance(since, datetime) else None:
        return alarms.since(moment, most)
    place = arguments.event_id(since, "since", "an alarm, or a time with a zone") if isinstance(since, str) else None
    if place is None:
        raise InvalidArgument(f"since is an alarm's id, a datetime with a zone, or None; got {short(since)}")
    return alarms.since(place, most)
