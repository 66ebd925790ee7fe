"""Executing a `Train` job: data, features, network, fit, save."""

import secrets
import time

from stoker.kinds import CrossValidation, Train, TrainResult
from stoker.models.effects import Register
from stoker.models.manifest import ModelManifest

from ..ml.custom import model_modules
from ..ml.reading import TrainingData
from ..ml.run import Children, Outcome, Run
from ..ml.training.continuing import continued_model
from ..ml.training.fitting import Fit, fit
from ..ml.training.folds import cross_validation, final_job, fold_jobs, result_of_folds
from ..ml.training.model import Trainable, build_model
from ..ml.training.pictures import with_default
from ..ml.training.saving import save_history, save_model

# Of wide tables: Redis keeps every version's manifest, and clients read it.
_MOST_COLUMNS = 1_000


def run(spec: Train, run: Run) -> Outcome:
    """Fit a model, or ask for that of each fold; see `_fit`.

    Raises:
        Children: there are folds to be validated on first.
    """
    if spec.folds is not None and spec.fold is None:
        raise Children(fold_jobs(spec, secrets.randbelow(2**32) if spec.seed is None else spec.seed))
    return _fit(spec, run)


def gather(spec: Train, run: Run) -> Outcome:
    """Fit a model to all rows, whose quality is that of the folds."""
    folds = [fold for fold in run.children if isinstance(fold, TrainResult)]
    scores, final = cross_validation(folds), final_job(spec, folds)
    if not spec.registers:
        return Outcome(result_of_folds(folds, scores, final.epochs))
    if final.epochs != spec.epochs:
        run.say(f"trains on all rows for {final.epochs} epochs, after which the folds were best on average")
    return _fit(final, run, scores)


def _fit(spec: Train, run: Run, scores: CrossValidation | None = None) -> Outcome:
    """Fit a model, from the last checkpoint if there is one; see `fit`.

    Args:
        scores: of the folds.
    """
    started = time.monotonic()
    return _outcome(spec, run, fit(spec, run, _model), started, scores)


def _model(spec: Train, run: Run, data: TrainingData, seed: int) -> Trainable:
    if spec.init_from is not None:
        return continued_model(spec, run, data.profile, seed)
    spec, told = with_default(spec, data.profile)
    if told:
        run.say(told)
    return build_model(spec, run, data, seed)


def _outcome(spec: Train, run: Run, trained: Fit, started: float, scores: CrossValidation | None) -> Outcome:
    data, model, fitted = trained.data, trained.model, trained.fitted
    result = TrainResult(
        model="",
        metrics=fitted.metrics | _validated(scores),
        history=fitted.history,
        epochs=fitted.epochs,
        rows=data.profile.rows,
        parameters=model.parameters,
        seed=trained.seed,
        run_s=time.monotonic() - started,
        files={},
        parts=trained.parts,
        precision=trained.precision,
        cross_validation=scores,
    )
    if not spec.registers:
        return Outcome(result)
    if len(model.profile.columns) > _MOST_COLUMNS:
        run.say(f"the manifest lists {_MOST_COLUMNS:,} of the {len(model.profile.columns):,} columns, the first ones")
    saved = save_model(model.whole(), model.signature, spec.formats, run)
    curves = save_history(fitted.history, run)
    update = {"model": spec.model, "files": {**saved.files, **curves}, "run_s": time.monotonic() - started}
    manifest = ModelManifest(
        name=spec.model,
        signature=model.signature,
        metrics=result.metrics,
        modules=model_modules(model.assembled),
        files={**saved.files, "history": curves["history"]},
        parameters=model.parameters,
        job=run.job,
        data=" + ".join(used.ref for used in data.learned_from.data),
        learned_from=data.learned_from,
        parent=run.models[0].ref if run.models else None,
        columns=model.profile.columns[:_MOST_COLUMNS],
        task_why=data.profile.task_why,
        tensorflow_why=saved.tensorflow_why,
        tuned="" if spec.trial is None else spec.trial.note,
        split=f"{spec.folds} folds; the model itself is trained on all rows" if scores else data.why,
    )
    return Outcome(result.model_copy(update=update), (Register(manifest=manifest, alias=spec.alias),))


def _validated(scores: CrossValidation | None) -> dict[str, float]:
    """The folds' mean metrics of the rows that they held out."""
    return {name: mean for name, mean in scores.mean.items() if name.startswith("val_")} if scores else {}
