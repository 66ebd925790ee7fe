"""What a tuning gives: the result, and its files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from stoker.kinds import Tune, TunedTrial, TuneResult
from stoker.kinds.problems import short

from ..run import Run
from ..writing import BestEffort, write_report
from .page import render
from .trials import TrialJob

# A setting that is longer, as JSON, is cut in the table of all trials.
_LONGEST = 200


@dataclass(frozen=True)
class Found:
    """What a tuning has found.

    Attributes:
        why: why there were no more trials.
        seed: of the proposals.
        notes: what came of it, in words.
    """

    trials: Sequence[TrialJob]
    best: TrialJob
    why: str
    seed: int
    notes: tuple[str, ...] = ()

    def noting(self, *notes: str) -> Self:
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *notes))


def result_of(spec: Tune, run: Run, found: Found, model: str | None = None, alias: str | None = None) -> TuneResult:
    """The result, with its files written.

    Args:
        model: the version that was registered.
        alias: what points at it now.

    Raises:
        Stopped: a stop was requested while the store was away.
    """
    from .study import importances, journal_of, study_of  # Optuna, which is loaded where it is needed

    assert found.best.value is not None
    result = TuneResult(
        goal=spec.goal,
        value=found.best.value,
        settings=found.best.settings,
        best=found.best.number,
        trials=tuple(map(_told, found.trials)),
        why=found.why,
        importances=importances(study_of(spec, found.trials)),
        run_s=sum(trial.run_s for trial in found.trials),
        seed=found.seed,
        model=model,
        alias=alias,
        notes=found.notes,
    )
    journal = journal_of(spec, found.trials, f"tune {run.job}")
    study = BestEffort(run, "the study for optuna-dashboard").write(
        lambda: run.store.put_bytes(journal, "study.journal")
    )
    files = write_report(run, result, lambda: render(spec, result, found.trials))
    return result.model_copy(update={"files": files | ({"study": study} if study else {})})


def _told(trial: TrialJob) -> TunedTrial:
    return TunedTrial(
        number=trial.number,
        state=trial.state,
        value=trial.value,
        settings={
            name: value if len(json.dumps(value)) <= _LONGEST else short(value)
            for name, value in trial.settings.items()
        },
        epochs=trial.epochs,
        run_s=trial.run_s,
        job=trial.child.id,
        reason=trial.reason,
    )
