"""Times that come again: by an interval, or as cron writes them, in a time zone.

Summer time: what cron gives for fixed hours (`30 2 * * *`) starts once on every day, also on the day whose clocks skip
that hour, then as soon as they have, and on the day on which they show it twice, the first time. What it gives for
any hour or minute (`0 * * * *`, `*/15 * * * *`) follows real time: it starts in both hours that clocks show twice, and
in none that they skip. An interval knows no clocks: it is as long on every day.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ..errors import InvalidJob
from ..kinds.problems import short

_EVERY = re.compile(r"every ([0-9]{1,6}) ?(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LEAST_S, _MOST_S = 10, 366 * 86_400
_NAMED = {
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
}
EXAMPLES = "'0 3 * * *' (at 3:00), '*/15 8-18 * * MON-FRI', 'daily', 'every 15m' or 'drift of digits'"


@dataclass(frozen=True)
class Every:
    """Times that are equally far from each other.

    Attributes:
        seconds: how far.
        start: one of them.
    """

    seconds: int
    start: datetime

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times behind a moment, in order, UTC."""
        interval = timedelta(seconds=self.seconds)
        following = self.start + ((moment - self.start) // interval + 1) * interval
        while True:
            yield following
            following += interval


@dataclass(frozen=True)
class Cron:
    """Times as cron writes them: minute, hour, day of the month, month, day of the week."""

    expression: str
    zone: tzinfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times behind a moment, in order, UTC; none where no year has such a day."""
        # From just before, so that times of the second in which the clocks are put back are not lost.
        local = moment.astimezone(self.zone)
        for time in CronSim(self.expression, local):
            in_utc = time.astimezone(UTC)
            if in_utc > moment:
                yield in_utc


Times = Every | Cron


def zone_of(name: str) -> tzinfo:
    """A time zone by its name, such as Europe/Berlin.

    Raises:
        InvalidJob: there is none.
    """
    try:
        return ZoneInfo(name)
    # A name may also be that of a folder, or no path at all.
    except (KeyError, ValueError, OSError):
        raise InvalidJob(f"there is no time zone {short(name)}: write it like Europe/Berlin, or UTC") from None


def parse_times(when: str, zone: str, start: datetime) -> Times | None:
    """Times from their text; None if it may be the name of an alarm.

    Args:
        when: "every 15m", "daily", or what cron writes, such as "0 3 * * *".
        start: from when an interval counts.

    Raises:
        InvalidJob: they are wrong, or there is no such zone.
    """
    its_zone, words = zone_of(zone), " ".join(when.split())
    if every := _EVERY.fullmatch(words):
        seconds = int(every[1]) * _UNITS[every[2]]
        if not _LEAST_S <= seconds <= _MOST_S:
            raise InvalidJob(f"{short(when)}: an interval is {_LEAST_S} s to {_MOST_S // 86_400} d")
        return Every(seconds, start)
    expression = _NAMED.get(words.removeprefix("@"), words)
    if expression == words and not re.search(r"[0-9*]", words.split(" ")[0]):
        return None
    if len(expression.split()) != 5:
        raise InvalidJob(f"{short(when)} is no time: expected 5 fields, got {len(words.split())}; write {EXAMPLES}")
    cron = Cron(expression, its_zone)
    try:
        first = next(cron.after(start), None)
    except CronSimError as error:
        raise InvalidJob(f"{short(when)} is no time: {str(error).lower()}; write {EXAMPLES}") from None
    if first is None:
        raise InvalidJob(f"{short(when)} never comes: no year has such a day")
    return cron


@lru_cache(maxsize=1024)
def times_of(when: str, zone: str, start: datetime) -> Times | None:
    """The same as `parse_times`, for who asks every second."""
    return parse_times(when, zone, start)


def some_after(times: Times, moment: datetime, count: int) -> tuple[datetime, ...]:
    """The next so many times behind a moment."""
    return tuple(islice(times.after(moment), count))
