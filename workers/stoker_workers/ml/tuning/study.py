"""The trials of a tuning as an Optuna study. Importing this imports Optuna, which takes a second."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages.journal import BaseJournalBackend, JournalStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from stoker.kinds import Choice, Float, Int, Tune
from stoker.kinds.tuning.goal import Goal
from stoker.kinds.tuning.space import Parameter

from .trials import TrialJob

# Every study that is made would be a line in the job's log.
optuna.logging.set_verbosity(optuna.logging.WARNING)

_DIRECTIONS = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}
_STATES = {
    "SUCCEEDED": TrialState.COMPLETE,
    "PRUNED": TrialState.PRUNED,
    "FAILED": TrialState.FAIL,
    "CANCELLED": TrialState.FAIL,
    "OPEN": TrialState.RUNNING,
}
# Of those that ended well, fewer say nothing of what is due to what.
_LEAST_FOR_IMPORTANCE = 4


def study_of(spec: Tune, trials: Sequence[TrialJob]) -> Study:
    """A study in memory, which has all trials; those that are open as running."""
    study = optuna.create_study(direction=_DIRECTIONS[Goal.parse(spec.goal).mode])
    study.add_trials([_frozen(spec, trial, _STATES[trial.state]) for trial in trials])
    return study


def journal_of(spec: Tune, trials: Sequence[TrialJob], name: str) -> bytes:
    """A journal with a study of all trials that have ended, as `optuna-dashboard` opens it."""
    lines = _Lines()
    direction = _DIRECTIONS[Goal.parse(spec.goal).mode]
    study = optuna.create_study(storage=JournalStorage(lines), study_name=name, direction=direction)
    study.add_trials([_frozen(spec, trial, _STATES[trial.state]) for trial in trials if not trial.is_open])
    return lines.journal


class _Lines(BaseJournalBackend):
    """A journal in memory. Optuna's own, in a file, writes to the disk for each trial."""

    def __init__(self) -> None:
        self._logs: list[dict[str, Any]] = []

    @property
    def journal(self) -> bytes:
        """What the file has in it that `JournalFileBackend` reads."""
        return "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in self._logs).encode()

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The entries from a number on."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries."""
        self._logs += logs


def importances(study: Study) -> dict[str, float]:
    """How much of the differences between trials is due to each parameter; empty with too few trials."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    if len(ended) < _LEAST_FOR_IMPORTANCE or len({trial.value for trial in ended}) == 1:
        return {}
    return {name: float(share) for name, share in optuna.importance.get_param_importances(study).items()}


def distribution(parameter: Parameter) -> BaseDistribution:
    """A parameter, as Optuna has it."""
    match parameter:
        case Float(step=None):
            return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        case Float():
            return FloatDistribution(parameter.low, parameter.corners[-1], step=parameter.step)
        case Int():
            return IntDistribution(parameter.low, parameter.corners[-1], log=parameter.log, step=parameter.step)
        case Choice():
            return CategoricalDistribution(parameter.labels)


def _frozen(spec: Tune, trial: TrialJob, state: TrialState) -> FrozenTrial:
    params = {
        name: parameter.labels[int(number)] if isinstance(parameter := spec.space[name], Choice) else number
        for name, number in trial.trial.settings.items()
    }
    return optuna.trial.create_trial(
        state=state,
        value=trial.value if state == TrialState.COMPLETE else None,
        params=params,
        distributions={name: distribution(spec.space[name]) for name in params},
        intermediate_values=dict(trial.child.reached),
        user_attrs={"job": trial.child.id} | ({"reason": trial.reason} if trial.reason else {}),
    )
