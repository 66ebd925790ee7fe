"""What a `Tune` job gives."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ...models.described import Described
from ...models.manifest import Artifact
from ..problems import short
from ..result import JobResult, Shown
from .goal import Goal

TrialState = Literal["SUCCEEDED", "PRUNED", "FAILED", "CANCELLED", "OPEN"]
# Trials of which a terminal shows the settings; the report has all.
_MOST_SHOWN = 20


class TunedTrial(Described):
    """One trial.

    Attributes:
        number: from 0, in the order in which they were thought of.
        state: "OPEN" for one that was cancelled because the tuning ended before it.
        value: the goal's metric at its end; of a pruned one, at the last rung that it has reached; None without any,
            and where that is no finite number.
        settings: by their names in the space; of long options their beginning.
        epochs: how many of a training have run; None where that is not known.
        run_s: seconds that its attempts have run, and those of its folds.
        job: the id of its job.
        reason: why it ended, in one line, unless it succeeded.
    """

    number: int
    state: TrialState
    value: float | None
    settings: dict[str, Any]
    epochs: int | None
    run_s: float
    job: str
    reason: str | None = None


class TuneResult(JobResult):
    """What a tuning gives.

    Attributes:
        goal: as the job had it.
        value: the best trial's value.
        settings: those of the best trial, whole, by their names in the space.
        best: the number of the best trial.
        trials: all of them, in order.
        why: why there were no more trials.
        importances: how much of the differences between trials is due to each parameter; they add up to 1. Empty where
            too few trials have ended well.
        run_s: seconds that all trials have run, together.
        seed: of the proposals.
        model: the exact reference of the version that was registered; None if none was.
        alias: what points at that now because it was better; None if nothing was moved.
        notes: what came of the last training and of the comparison, in words.
        files: "report" (JSON), "html" (the same as one page with plots; not if the store was away just then) and
            "study" (an Optuna journal, which `optuna-dashboard` opens).
    """

    kind: Literal["tune"] = "tune"
    goal: str
    value: float
    settings: dict[str, Any]
    best: int
    trials: tuple[TunedTrial, ...]
    why: str
    importances: dict[str, float] = Field(default_factory=dict)
    run_s: float
    seed: int
    model: str | None = None
    alias: str | None = None
    notes: tuple[str, ...] = ()
    files: dict[str, Artifact] = Field(default_factory=dict)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many trials there are in each state."""
        return Counter(trial.state for trial in self.trials)

    @property
    def ranking(self) -> tuple[TunedTrial, ...]:
        """The trials, the best first; then those that were pruned, the furthest first, then the others."""
        sign = Goal.parse(self.goal).sign

        def place(trial: TunedTrial) -> tuple[int, int, float, int]:
            rank = {"SUCCEEDED": 0, "PRUNED": 1}.get(trial.state, 2)
            epochs = trial.epochs or 0 if trial.state == "PRUNED" else 0
            return (rank, -epochs, math.inf if trial.value is None else -sign * trial.value, trial.number)

        return tuple(sorted(self.trials, key=place))

    def gives_model(self) -> str | None:
        return self.model

    def words(self) -> str:
        return f"{Goal.parse(self.goal).metric} {self.value:.4g} in trial {self.best} of {len(self.trials)}"

    def shown(self) -> Shown:
        goal = Goal.parse(self.goal)
        names = tuple(dict.fromkeys(name for trial in self.trials for name in trial.settings))
        rows = [
            (
                str(trial.number),
                trial.state,
                "" if trial.value is None else f"{trial.value:.4g}",
                "" if trial.epochs is None else str(trial.epochs),
                f"{trial.run_s:.1f}",
                *(cell(trial.settings[name]) if name in trial.settings else "" for name in names),
            )
            for trial in self.ranking[:_MOST_SHOWN]
        ]
        notes = [f"{self.why}: {', '.join(f'{count} {state}' for state, count in self.counts.items())}", *self.notes]
        if (more := len(self.trials) - len(rows)) > 0:
            notes.append(f"and {more} trials more: see the report, or `stoker result --json`")
        if self.importances:
            notes.append("importance: " + "  ".join(f"{name} {share:.0%}" for name, share in self.importances.items()))
        return Shown(
            self.model or "no model registered",
            f"{goal.metric} {self.value:.4g} in trial {self.best} of {len(self.trials)}",
            table=(("trial", "state", goal.metric, "epochs", "seconds", *names), *rows),
            cut=names,
            notes=tuple(notes),
            files=self.files,
        )


def cell(value: object) -> str:
    """A setting, as tables show it."""
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else short(value)
