"""When a job starts and ends, as apps see it."""

from datetime import datetime, timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict

from ..events import JobState


class When(BaseModel):
    """A time that is not known yet: of 100 like it, 90 are between `earliest` and `latest`, and half before `likely`.

    All are UTC, by the server's clock, and equal where the time is known.
    """

    model_config = ConfigDict(frozen=True)

    earliest: datetime
    likely: datetime
    latest: datetime

    @classmethod
    def at(cls, moment: datetime) -> Self:
        """A time that is known."""
        return cls(earliest=moment, likely=moment, latest=moment)

    def words(self, now: datetime) -> str:
        """How long it takes from now until then: "in 40 s to 2 min"."""
        earliest, latest = (_duration(each - now) for each in (self.earliest, self.latest))
        return f"in {earliest}" if earliest == latest else f"in {earliest} to {latest}"


class Eta(BaseModel):
    """When a job starts and ends.

    Attributes:
        at: the moment of which this holds, UTC.
        position: its place among the queued jobs of its fleet; 1 for the one that is likely to start next. None for a
            job that is not queued.
        start: when it starts, or has; None where that cannot be said.
        end: when it ends, or has; None where that cannot be said.
        because: what this rests on, or why nothing can be said.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    state: JobState
    at: datetime
    position: int | None = None
    start: When | None = None
    end: When | None = None
    because: str

    def words(self) -> str:
        """In a line: "position 3, starts in 40 s to 2 min, ends in 2 min to 5 min: …"."""
        parts = [f"position {self.position}"] if self.position is not None else []
        if self.state.final:
            parts.append("it has ended")
        else:
            if self.start and self.start.latest > self.at:
                parts.append(f"starts {self.start.words(self.at)}")
            if self.end:
                parts.append(f"ends {self.end.words(self.at)}")
        return ", ".join(parts or ["nothing can be said"]) + f": {self.because}"

    def brief(self) -> str:
        """In a few words, for a table."""
        if self.state is JobState.QUEUED and self.start:
            return f"starts {self.start.words(self.at)}"
        return f"ends {self.end.words(self.at)}" if self.state is JobState.RUNNING and self.end else ""

    def __str__(self) -> str:
        return self.words()


def _duration(time: timedelta) -> str:
    seconds = max(0.0, time.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
