"""Executes `Tune`: asks for trials as long as there is a budget, then for the last training, and tells of all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from stoker.errors import InvalidJob
from stoker.events import Progress
from stoker.kinds import Compare, CompareResult, Tune, kind_of
from stoker.kinds.child import ChildJob
from stoker.kinds.tuning.goal import Goal
from stoker.models.effects import Effect, MoveAlias

from ..ml.run import Children, Outcome, Run
from ..ml.tuning.jobs import Clock, comparison, last_job, trial_job
from ..ml.tuning.proposals import next_numbers, proposals, seed_of
from ..ml.tuning.results import Found, result_of
from ..ml.tuning.trials import TOO_LARGE, TrialJob, began, best_of, metrics_of, trial_jobs, trial_of

# So many trials that all fail, and none that does not, have a common reason.
_HOPELESS = 5
_S_PER_HOUR = 3600
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "DEAD")


def run(spec: Tune, run: Run) -> Outcome:
    """Take the next step: every attempt does, for there is one whenever a job has ended that it has asked for.

    What it knows is what `run.asked` says. So an attempt that is lost is taken again, and takes the same step.

    Raises:
        Children: it asks for jobs, or goes on waiting for those that run.
        InvalidJob: no trial has ended well.
    """
    trials = trial_jobs(spec, run.asked)
    clock = Clock(began(trials) or datetime.now(UTC))
    seed = seed_of(run.job) if spec.seed is None else spec.seed
    _report(spec, run, trials)
    last = next((child for child in run.asked if (trial := trial_of(child)) and trial.note), None)
    if last is None:
        why = _why_over(spec, trials, clock) or _ask_for_trials(spec, run, trials, clock, seed)
        best = _best(spec, trials)
        found = Found(trials, best, why, seed)
        if spec.finish == "none":
            return Outcome(result_of(spec, run, found))
        if unmet := _unmet(spec, best):
            return Outcome(result_of(spec, run, found.noting(f"{unmet}: no model was made of it")))
        run.emit(Progress(stage=f"trains the settings of trial {best.number}", done=len(trials), unit="trials"))
        raise Children([last_job(spec, best, seed, run.job)], each=True)
    best = next(trial for trial in trials if (made := trial_of(last)) and trial.number == made.number)
    why = _why_over(spec, trials, clock) or _NO_MORE
    return _finished(spec, run, Found(trials, best, why, seed), last)


_NO_MORE = "there are no settings left that no trial has had"


def _report(spec: Tune, run: Run, trials: Sequence[TrialJob]) -> None:
    goal = Goal.parse(spec.goal)
    best = best_of(goal, trials)
    told = "" if best is None else f", best {goal.metric} {best.value:.4g} (trial {best.number})"
    ended = sum(not trial.is_open for trial in trials)
    run.emit(Progress(stage=f"tuning{told}", done=ended, total=spec.trials, unit="trials"))


def _why_over(spec: Tune, trials: Sequence[TrialJob], clock: Clock) -> str | None:
    """Why there are no more trials; None if there may be."""
    is_complete = len(trials) >= spec.trials
    if is_complete and not any(trial.is_open for trial in trials):
        return f"all {spec.trials} trials have ended"
    left_s = clock.left_s(spec)
    if left_s is not None and left_s <= 0:
        return f"its {spec.budget_s:g} s are over"
    hours = sum(trial.run_s for trial in trials) / _S_PER_HOUR
    if spec.slot_hours is not None and hours >= spec.slot_hours:
        return f"its trials have run for {hours:.3g} of {spec.slot_hours:g} hours"
    return None


def _ask_for_trials(spec: Tune, run: Run, trials: Sequence[TrialJob], clock: Clock, seed: int) -> str:
    """Ask for as many trials as may run at once, or go on waiting; gives why if neither is possible.

    Raises:
        Children: it does.
        InvalidJob: the first trials have all failed.
    """
    _refuse_hopeless(trials)
    running = sum(trial.is_open for trial in trials)
    places = max(1, run.slots // kind_of(spec.job).slots(spec.job))
    # One more than there are places: so none is idle while the next one is thought of.
    at_once = spec.parallel or (places + 1 if places > 1 else 1)
    room = min(at_once - running, spec.trials - len(trials))
    next_ones = proposals(spec, trials, room, seed) if room > 0 else []
    if next_ones or running:
        numbers = next_numbers(trials, len(next_ones))
        jobs = [
            trial_job(spec, number, settings, seed, clock) for number, settings in zip(numbers, next_ones, strict=False)
        ]
        raise Children(jobs, each=True, halving=spec.halving)
    return _NO_MORE


def _refuse_hopeless(trials: Sequence[TrialJob]) -> None:
    ended = [trial for trial in trials if not trial.is_open and trial.state != "CANCELLED"]
    if len(ended) >= _HOPELESS and all(trial.state == "FAILED" for trial in ended):
        raise InvalidJob(
            f"its first {len(ended)} trials have all failed, so it does not go on; trial {ended[0].number}: "
            f"{ended[0].reason}"
        )


def _best(spec: Tune, trials: Sequence[TrialJob]) -> TrialJob:
    best = best_of(Goal.parse(spec.goal), trials)
    if best is None:
        counts = ", ".join(f"{count} {state}" for state, count in Counter(trial.state for trial in trials).items())
        first = next((trial for trial in trials if trial.reason), None)
        told = "" if first is None else f"; trial {first.number}: {first.reason}"
        raise InvalidJob(f"none of its trials has ended well: {counts or 'there was no time for any'}{told}")
    return best


def _unmet(spec: Tune, best: TrialJob) -> str | None:
    """What of `min_metrics` the best trial is below; None if it is not."""
    # A function may give its metric as a plain number.
    measured: Mapping[str, Any] = {Goal.parse(spec.goal).metric: best.value, **metrics_of(best.child.result)}
    for name, least in spec.min_metrics.items():
        value = measured.get(name)
        # NaN is not at least anything.
        if not (isinstance(value, int | float) and value >= least):
            return f"the best trial's {name} is {value}, and must be at least {least:g}"
    return None


def _finished(spec: Tune, run: Run, found: Found, last: ChildJob) -> Outcome:
    """What comes of the last training, when it has ended; and where an alias may move, of a comparison."""
    if last.state not in _ENDED:
        _wait()
    if last.state != "SUCCEEDED" or last.result is None:
        reason = last.reason or TOO_LARGE
        return Outcome(result_of(spec, run, found.noting(f"the last training is {last.state}: {reason}")))
    model = last.result.gives_model()
    if model is None or spec.alias is None:
        notes = [f"no model was registered, so {spec.alias} points where it did"] if spec.alias else []
        return Outcome(result_of(spec, run, found.noting(*notes), model))
    name, _, number = model.partition("@")
    better, why = True, f"{model} is the first version of {name}"
    if number != "1":
        compared = next((child for child in run.asked if isinstance(child.spec, Compare)), None)
        if compared is None:
            raise Children([comparison(spec, model)], each=True)
        if compared.state not in _ENDED:
            _wait()
        better, why = _is_better(compared, model, f"{name}@{spec.alias}")
    effects: list[Effect] = [MoveAlias(model=model, alias=spec.alias)] if better else []
    alias = spec.alias if better else None
    return Outcome(result_of(spec, run, found.noting(why), model, alias), tuple(effects))


def _is_better(compared: ChildJob, model: str, other: str) -> tuple[bool, str]:
    """Whether the new version is better than the other, and why."""
    if isinstance(compared.result, CompareResult):
        return compared.result.chosen == model, compared.result.why
    reason = compared.reason or ""
    if reason.startswith(f"there is no model {other}:"):
        return True, f"there was no {other} before"
    return False, f"{other} stays, for the comparison is {compared.state}: {reason}"


def _wait() -> NoReturn:
    raise Children([], each=True)
