"""How the duties of the leading controller go: how often each ran, how long it took, and what failed last."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from ..redis.calls import Call
from .readable import readable
from .scripts import script

_LONGEST_FAILURE = 500


class DutyRuns(BaseModel):
    """How the runs of a duty went.

    Attributes:
        runs: how often it has run.
        failures: how many of these runs failed.
        busy_ms: milliseconds that all of them took together.
        ran_at: when the last one ended.
        failing_since: when the first of the runs ended that have failed without one that did not; None if the last
            one did not fail.
        failure: why the last one failed.
    """

    model_config = ConfigDict(frozen=True)

    runs: int
    failures: int
    busy_ms: int
    ran_at: datetime
    failing_since: datetime | None = None
    failure: str | None = None


class DutyState(DutyRuns):
    """One duty, as of now.

    Attributes:
        at: now, by the server's clock.
    """

    name: str
    at: datetime

    @property
    def failing_s(self) -> float:
        """Seconds for which it has failed; 0 if it does not."""
        return (self.at - self.failing_since).total_seconds() if self.failing_since else 0.0

    @property
    def idle_s(self) -> float:
        """Seconds since its last run ended."""
        return (self.at - self.ran_at).total_seconds()


class DutyRun(NamedTuple):
    """One run of a duty, and why it failed if it did."""

    name: str
    took_s: float
    failure: str | None


def duties_ran(runs: Sequence[DutyRun]) -> Call[None]:
    """Note that duties have run."""
    words = [(run.name, round(run.took_s * 1000), (run.failure or "")[:_LONGEST_FAILURE]) for run in runs]
    return Call(tuple(chain.from_iterable(words)), lambda _: None, script("duties_ran"))


def keep_duties(names: Sequence[str]) -> Call[None]:
    """Forget all duties but these: another version of the controller may have had others."""
    return Call(tuple(names), lambda _: None, script("keep_duties"))


def duties() -> Call[list[DutyState]]:
    """Every duty of the leading controller, by name."""

    def decode(answer: list[Any]) -> list[DutyState]:
        now, words = answer[0], iter(answer[1:])
        read = [
            (name.decode(errors="replace"), readable(DutyRuns, raw)) for name, raw in zip(words, words, strict=True)
        ]
        return [DutyState(**dict(runs), name=name, at=now) for name, runs in sorted(read, key=itemgetter(0)) if runs]

    return Call((), decode, script("duties"))
