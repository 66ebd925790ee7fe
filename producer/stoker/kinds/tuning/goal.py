"""What a `Tune` job makes as large or as small as it can."""

import re
from dataclasses import dataclass
from typing import Literal, Self

from ...errors import InvalidJob

# An output, of which a metric is, may have any name.
_GOAL = re.compile(r"\s*(max|min)\s+(\S(?:.*\S)?)\s*")


@dataclass(frozen=True)
class Goal:
    """The most, or the least, of a metric."""

    mode: Literal["max", "min"]
    metric: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """A goal from its text: `max val_accuracy`, `min val_loss`.

        Raises:
            InvalidJob: it is none.
        """
        match = _GOAL.fullmatch(text)
        if match is None:
            raise InvalidJob(f"goal={text!r} is none: write max or min and a metric, such as 'max val_accuracy'")
        return cls("max" if match[1] == "max" else "min", match[2])

    @property
    def sign(self) -> int:
        """By which values are multiplied so that more of them is better."""
        return 1 if self.mode == "max" else -1
