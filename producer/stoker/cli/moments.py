"""Times on the command line."""

import re
from datetime import UTC, datetime, timedelta

from ..errors import InvalidArgument

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(option: str, text: str | None) -> datetime | None:
    """A time as "2h", which is two hours ago, or in ISO 8601, of this machine's zone if it names none.

    Raises:
        InvalidArgument: it is neither.
    """
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise InvalidArgument(f"{option} is a time such as 30m, 12h, 7d or 2026-01-31T08:00; got {text!r}") from None


def seconds(option: str, text: str) -> float:
    """A length of time, such as "6h", in seconds.

    Raises:
        InvalidArgument: it is none.
    """
    if length := _AGO.fullmatch(text):
        return timedelta(**{_UNITS[length[2]]: int(length[1])}).total_seconds()
    raise InvalidArgument(f"{option} is a length of time such as 90s, 30m, 6h or 2d; got {text!r}")
