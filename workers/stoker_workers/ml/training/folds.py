"""Cross-validation: a training that asks for one of each fold, and then trains on all rows."""

from collections.abc import Sequence

import numpy as np

from stoker.kinds import CrossValidation, Train, TrainResult
from stoker.kinds.training.outputs import best_is_largest


def fold_jobs(spec: Train, seed: int) -> list[Train]:
    """The training of each fold; all split the rows by one seed."""
    own = {"seed": seed, "alias": None, "after": (), "not_before": None, "trial": None}
    return [spec.model_copy(update={**own, "fold": fold}) for fold in range(spec.folds or 0)]


def cross_validation(folds: Sequence[TrainResult]) -> CrossValidation:
    """What the folds' metrics say."""
    metrics = tuple(fold.metrics for fold in folds)
    values = {name: np.array([each[name] for each in metrics]) for name in metrics[0]}
    return CrossValidation(
        folds=metrics,
        mean={name: float(each.mean()) for name, each in values.items()},
        spread={name: float(each.std()) for name, each in values.items()},
    )


def result_of_folds(folds: Sequence[TrainResult], scores: CrossValidation, epochs: int) -> TrainResult:
    """What a trial of a `Tune` gives that has folds: their quality is its own, and no model is made.

    Args:
        epochs: for how many a model would be trained on all rows.
    """
    update = {"metrics": dict(scores.mean), "history": {}, "epochs": epochs, "cross_validation": scores}
    run_s = sum(fold.run_s for fold in folds)
    return folds[0].model_copy(update={**update, "rows": max(fold.rows for fold in folds), "run_s": run_s})


def final_job(spec: Train, folds: Sequence[TrainResult]) -> Train:
    """The training on all rows, by the folds' seed; without what they stopped early by, it takes their mean time."""
    stop = spec.early_stopping
    update: dict[str, object] = {"seed": folds[0].seed}
    if stop and stop.monitor.startswith("val_"):
        rises = best_is_largest(stop.monitor, _outputs(spec)) if stop.mode is None else stop.mode == "max"
        best = np.argmax if rises else np.argmin
        update |= {
            "epochs": round(np.mean([best(fold.history[stop.monitor]) + 1 for fold in folds])),
            "early_stopping": None,
        }
    return spec.model_copy(update=update)


def _outputs(spec: Train) -> tuple[str, ...]:
    return spec.targets if isinstance(spec.targets, tuple) else ()
