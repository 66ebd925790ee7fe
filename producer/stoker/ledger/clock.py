"""The server's clock, by which the ledger measures: that of a machine may be wrong."""

from datetime import UTC, datetime, timedelta

from ..redis.calls import Call


def now() -> Call[datetime]:
    """The time by the server's clock, UTC."""

    def decode(answer: tuple[int, int]) -> datetime:
        seconds, microseconds = answer
        return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(microseconds))

    return Call(("TIME",), decode)
