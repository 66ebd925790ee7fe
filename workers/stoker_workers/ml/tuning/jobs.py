"""The jobs that a tuning asks for: trials, the last training, and the comparison of what that made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from stoker.kinds import Compare, Run, Train, TrainResult, Tune
from stoker.kinds.tuning.goal import Goal
from stoker.kinds.tuning.space import as_numbers
from stoker.kinds.tuning.template import words
from stoker.kinds.tuning.trial import Trial

from .trials import TrialJob


@dataclass(frozen=True)
class Clock:
    """How long a tuning has been at it.

    Attributes:
        since: when it began.
    """

    since: datetime

    @property
    def run_s(self) -> float:
        """Seconds since then."""
        return (datetime.now(UTC) - self.since).total_seconds()

    def left_s(self, spec: Tune) -> float | None:
        """Seconds that are left of its budget; None without one."""
        return None if spec.budget_s is None else spec.budget_s - self.run_s


def trial_job(spec: Tune, number: int, settings: Mapping[str, object], seed: int, clock: Clock) -> Train | Run:
    """The job of a trial, which may take what is left of the time."""
    job = _with_trial(
        spec, settings, Trial(number=number, settings=as_numbers(spec.space, settings), since=clock.since), seed
    )
    left_s = clock.left_s(spec)
    if left_s is None:
        return job
    left_s = max(left_s, 1.0)
    if isinstance(job, Train):
        return job.model_copy(update={"budget_s": left_s if job.budget_s is None else min(left_s, job.budget_s)})
    return job.model_copy(update={"timeout": left_s if job.timeout is None else min(left_s, job.timeout)})


def last_job(spec: Tune, best: TrialJob, seed: int, tuning: str) -> Train | Run:
    """The job that makes a model of the best trial's settings.

    Args:
        tuning: the id of the tuning's job.
    """
    goal = Goal.parse(spec.goal)
    note = f"trial {best.number} of {tuning}: {words(best.settings)}; its {goal.metric} was {best.value:.4g}"
    job = _with_trial(spec, best.settings, best.trial.model_copy(update={"note": note[:10_000]}), seed)
    result = best.child.result
    if spec.finish == "retrain" and isinstance(job, Train) and isinstance(result, TrainResult):
        return _on_all_rows(job, result, goal)
    return job


def comparison(spec: Tune, model: str) -> Compare:
    """The comparison of a new version with the one under the alias, which is the first of them."""
    assert spec.compared_on is not None
    name = model.partition("@")[0]
    return Compare(models=(f"{name}@{spec.alias}", model), data=spec.compared_on, choose=spec.rule)


def _with_trial(spec: Tune, settings: Mapping[str, object], trial: Trial, seed: int) -> Train | Run:
    job = spec.template.with_settings(settings)
    return job.model_copy(update={"trial": trial, "seed": seed if job.seed is None else job.seed})


def _on_all_rows(job: Train, result: TrainResult, goal: Goal) -> Train:
    """A training with no rows held out, for as many epochs as were best. Where the rows that it is validated on are
    none of its data, it stays as it is."""
    if job.validation_data is not None or job.add_data is not None:
        return job
    update: dict[str, object] = {
        "epochs": _best_epochs(job, result, goal),
        "early_stopping": None,
        "validation_split": 0.0,
        "folds": None,
        **dict.fromkeys(("stratify", "group", "time")),
    }
    if job.plateau is not None:
        # The rows that it watched are learned from now.
        update["plateau"] = job.plateau.model_copy(update={"monitor": job.plateau.monitor.removeprefix("val_")})
    return job.model_copy(update=update)


def _best_epochs(job: Train, result: TrainResult, goal: Goal) -> int:
    extremes = result.extreme_epochs.get(goal.metric)
    if extremes is None or (job.early_stopping is None and job.optimizer.schedule is not None):
        # A learning rate that falls to the end is made for all epochs.
        return result.epochs
    return extremes[goal.mode == "max"]
