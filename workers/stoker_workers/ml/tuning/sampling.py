"""Draws settings by Optuna. Importing this imports it."""

from collections.abc import Sequence

from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from stoker.kinds import Choice, Float, Int, Tune
from stoker.kinds.tuning.space import Parameter
from stoker.kinds.tuning.template import Template

from .study import study_of
from .trials import TrialJob


class Sampling:
    """A study of the trials so far, to which proposals are added as they are drawn: as trials that run."""

    def __init__(self, spec: Tune, template: Template, trials: Sequence[TrialJob]) -> None:
        self._sampler = {"tpe": TPESampler, "random": RandomSampler}[spec.sampler]
        self._template = template
        self._study = study_of(spec, trials)
        self._last = 0

    def draw(self, seed: int) -> dict[str, object]:
        """Settings, by the trials so far and the seed."""
        self._study.sampler = self._sampler(seed=seed)
        trial = self._study.ask()
        self._last = trial.number
        return self._template.draw(lambda name, parameter: _suggested(trial, name, parameter))

    def tell(self, value: float | None) -> None:
        """Say what the last settings are worth that were drawn; None for nothing."""
        state = TrialState.FAIL if value is None else None
        self._study.tell(self._last, value, state=state)


def _suggested(trial: Trial, name: str, parameter: Parameter) -> object:
    match parameter:
        case Float():
            last = parameter.corners[-1]
            return trial.suggest_float(name, parameter.low, last, step=parameter.step, log=parameter.log)
        case Int():
            last_whole = parameter.corners[-1]
            return trial.suggest_int(name, parameter.low, last_whole, step=parameter.step, log=parameter.log)
        case Choice():
            return parameter.options[parameter.labels.index(trial.suggest_categorical(name, parameter.labels))]
