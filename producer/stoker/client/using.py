"""What tenants, kinds and models have used."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ..errors import InvalidArgument
from ..kinds.problems import short
from ..ledger.usage import DAYS_KEPT, Dimension, Usage, usage
from . import arguments
from .calls import AsyncCalls, Calls

__all__ = ["AsyncUsageCalls", "Dimension", "UsageCalls"]

_WEEK = timedelta(days=7)


class UsageCalls(Calls):
    """A part of the blocking client."""

    def usage(self, by: Dimension = "tenant", since: datetime | timedelta = _WEEK) -> Sequence[Usage]:
        """What jobs and predictions have used, by tenant, kind or model; who has had most of the slots first.

        It is counted by days of UTC, which are kept for 400 days.

        Args:
            since: from the day of this moment on, which names its zone, or of so long ago.

        Raises:
            InvalidArgument: there is no such `by`, or `since` is neither.
        """
        return self._drive(usage(_dimension(by), _moment(since)))


class AsyncUsageCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def usage(self, by: Dimension = "tenant", since: datetime | timedelta = _WEEK) -> Sequence[Usage]:
        """See `Client.usage`."""
        return await self._drive(usage(_dimension(by), _moment(since)))


def _dimension(by: Dimension) -> Dimension:
    if by not in ("tenant", "kind", "model"):
        raise InvalidArgument(f"usage is counted by tenant, kind or model, not by {short(by)}")
    return by


def _moment(since: datetime | timedelta) -> datetime:
    if isinstance(since, timedelta):
        # Nothing is older.
        return datetime.now(UTC) - max(timedelta(), min(since, timedelta(days=DAYS_KEPT)))
    if (moment := arguments.moment(since, "since")) is not None:
        return moment
    raise InvalidArgument("since is a datetime or a timedelta, got None")
