"""Which trial of a `Tune` a job is."""

from pydantic import Field

from ..base import Frozen, Moment


class Trial(Frozen):
    """A trial; what a `Tune` gives its jobs to know them again.

    Attributes:
        number: its place among the trials, from 0.
        settings: its numbers, by their names in the space; of a choice, the place of the option.
        since: when the tuning began.
        note: what the version is noted to be that the last training of a tuning registers; empty for a trial, which
            registers nothing and keeps no files.
    """

    number: int = Field(ge=0)
    settings: dict[str, int | float]
    since: Moment
    note: str = Field(default="", max_length=10_000)

    def __str__(self) -> str:
        return f"settings of trial {self.number}" if self.note else f"trial {self.number}"
