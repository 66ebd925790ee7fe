"""The trials of a tuning, read off the jobs that it has asked for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stoker.kinds import Run, RunResult, Train, TrainResult, Tune
from stoker.kinds.child import ChildJob
from stoker.kinds.problems import short
from stoker.kinds.result import JobResult
from stoker.kinds.tuning.goal import Goal
from stoker.kinds.tuning.space import from_numbers
from stoker.kinds.tuning.trial import Trial
from stoker.kinds.tuning.tuned import TrialState

_STATES: Mapping[str, TrialState] = {
    "SUCCEEDED": "SUCCEEDED",
    "PRUNED": "PRUNED",
    "FAILED": "FAILED",
    # It may be its settings that workers cannot stand.
    "DEAD": "FAILED",
    "CANCELLED": "CANCELLED",
}

TOO_LARGE = "what it gave is larger than the 64 kB that its tuning reads of each job: give numbers alone"
"""Why of a job that has succeeded there is no result: see lua/ends.lua."""


@dataclass(frozen=True)
class TrialJob:
    """A trial, and the job that it is.

    Attributes:
        value: of the goal's metric; None where there is none.
        settings: by their names in the space.
        reason: why it ended, unless it succeeded.
    """

    trial: Trial
    state: TrialState
    value: float | None
    settings: dict[str, object]
    reason: str | None
    child: ChildJob

    @property
    def number(self) -> int:
        """Its place among the trials."""
        return self.trial.number

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state == "OPEN"

    @property
    def run_s(self) -> float:
        """Seconds that its attempts have run, and those of its folds, jobs of their own, once they have ended."""
        gave = self.child.result
        folds_s = gave.run_s if isinstance(gave, TrainResult) and gave.cross_validation else 0.0
        return self.child.run_s + folds_s

    @property
    def epochs(self) -> int | None:
        """How many epochs have run, as far as that is known."""
        if isinstance(self.child.result, TrainResult):
            return self.child.result.epochs
        return max(self.child.reached, default=None)


def trial_jobs(spec: Tune, asked: Sequence[ChildJob]) -> tuple[TrialJob, ...]:
    """The trials among the jobs that a tuning has asked for, in order."""
    metric = Goal.parse(spec.goal).metric
    trials = ((trial, child) for child in asked if (trial := trial_of(child)) and not trial.note)
    return tuple(_trial_job(spec, metric, trial, child) for trial, child in trials)


def trial_of(child: ChildJob) -> Trial | None:
    """The trial that a job is, or of whose settings it is the last training; None for others."""
    return child.spec.trial if isinstance(child.spec, Train | Run) else None


def best_of(goal: Goal, trials: Sequence[TrialJob]) -> TrialJob | None:
    """The best of those that have ended well, of equals the first; None if none has."""
    ended = [trial for trial in trials if trial.state == "SUCCEEDED" and trial.value is not None]
    return max(ended, key=lambda trial: (goal.sign * (trial.value or 0.0), -trial.number), default=None)


def began(trials: Sequence[TrialJob]) -> datetime | None:
    """When the tuning began; None before its first trial."""
    return trials[0].trial.since if trials else None


def metrics_of(result: JobResult | None) -> Mapping[str, Any]:
    """What a job has measured, by name."""
    match result:
        case TrainResult():
            return result.metrics
        case RunResult(value=Mapping()):
            return dict(result.value)
    return {}


def _trial_job(spec: Tune, metric: str, trial: Trial, child: ChildJob) -> TrialJob:
    state = _STATES.get(child.state, "OPEN")
    value, reason = None, child.reason
    if state == "SUCCEEDED":
        value, reason = _value(child.result, metric)
        state = state if reason is None else "FAILED"
    elif state == "PRUNED" and child.reached:
        last = child.reached[max(child.reached)]
        value = last if math.isfinite(last) else None
    return TrialJob(trial, state, value, from_numbers(spec.space, trial.settings), reason, child)


def _value(result: JobResult | None, metric: str) -> tuple[float | None, str | None]:
    """The value of a metric, or why there is none."""
    if result is None:
        return None, TOO_LARGE
    if isinstance(result, RunResult) and not isinstance(result.value, Mapping):
        value: Any = result.value
        missing = f"its function gave {short(value)}: expected a number, or a mapping with {metric}"
    else:
        metrics = metrics_of(result)
        value = metrics.get(metric)
        missing = f"it has measured {', '.join(map(str, metrics)) or 'nothing'}, and no {metric}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, missing
    return (float(value), None) if math.isfinite(value) else (None, f"its {metric} is {value}")
