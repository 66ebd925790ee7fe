"""Executing a `Train` job: data, features, network, fit, save."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import keras
import tensorflow as tf

from stoker.errors import InvalidJob, Unavailable
from stoker.kinds import CrossValidation, Train, TrainResult
from stoker.kinds.memory_plan import MemoryPlan, memory_plan_of
from stoker.models.data import select_columns
from stoker.models.effects import Register
from stoker.models.learned_from import LearnedFrom
from stoker.models.manifest import ModelManifest, Signature

from ..ml import accelerator
from ..ml.custom import model_modules
from ..ml.preprocessing.forecasting import cut_windows
from ..ml.preprocessing.split import HELD_OUT, TRAINED
from ..ml.preprocessing.target import truth_columns
from ..ml.reading import TrainingData, read_training_data
from ..ml.resuming import read_newest
from ..ml.run import Children, Outcome, Run, Stopped
from ..ml.training.checkpoint import Position, Saved
from ..ml.training.continuing import continued_model
from ..ml.training.dataset import Weighting, build_rows, encoder, every_row, on_side
from ..ml.training.folds import cross_validation, final_job, fold_jobs, result_of_folds
from ..ml.training.model import Trainable, build_model
from ..ml.training.pictures import with_default
from ..ml.training.replicas import Replicas, batch_norms
from ..ml.training.rows import EncodedRows, StreamedRows
from ..ml.training.saving import save_history, save_model
from ..ml.training.training import Fitted, Trainer
from ..ml.used_data import OpenedData, open_again, open_used

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
    """Fit a model, from the last checkpoint if there is one.

    Args:
        scores: of the folds.

    Raises:
        InvalidJob: data, architecture and loss do not fit together, the training diverged, or the model that was saved
            cannot be loaded.
        Stopped: a stop was asked for.
        Unavailable: it would be computed on another device than the worker's.
    """
    started = time.monotonic()
    gang = Replicas(run.gang, run.place)
    plan = memory_plan_of(spec, run.memory_plan)
    if run.memory_plan:
        run.say(f"makes do with less memory: {plan}")
    if spec.precision == "auto" and not plan.mixed:
        spec = spec.model_copy(update={"precision": "float32"})
    with _in_step(gang):
        saved = _saved(run, gang)
        seed = saved.position.seed if saved else _drawn_seed(gang) if spec.seed is None else spec.seed
    _fix_randomness(spec, seed)
    data = read_training_data(spec, run, seed)
    with gang.scope():
        model = _model(spec, run, data, seed)
    accelerator.check_placement(run.device, (name for weight in model.network.weights for name in gang.devices(weight)))
    rows, validation, learned_from = _rows(spec, run, data, model)
    trainer = Trainer(
        spec,
        run,
        model.network,
        model.objectives,
        model.optimizer,
        rows,
        validation,
        Position(seed=seed, rows=data.profile.rows),
        gang,
        _parts(spec, run, plan, model, gang),
    )
    run.plan_helps()
    if saved:
        trainer.resume(saved)
    with _in_step(gang), gang.whole_batches(model.network):
        fitted = trainer.fit()
    if not gang.is_chief:
        raise Stopped("done")
    return _outcome(spec, run, replace(data, learned_from=learned_from), model, fitted, seed, started, scores, plan)


def _model(spec: Train, run: Run, data: TrainingData, seed: int) -> Trainable:
    if spec.init_from is not None:
        return continued_model(spec, run, data.profile, seed)
    spec, told = with_default(spec, data.profile)
    if told:
        run.say(told)
    return build_model(spec, run, data, seed)


def _parts(spec: Train, run: Run, plan: MemoryPlan, model: Trainable, gang: Replicas) -> int:
    """Into how many parts each batch is divided for want of memory.

    Raises:
        InvalidJob: the job itself asks for parts where there can be none.
    """
    if not batch_norms(model.network):
        return plan.parts
    if gang.size == 1:
        if plan.parts > 1:
            run.say("batch norm sees each part of a batch for itself: losses differ a little", level="warning")
        return plan.parts
    if spec.accumulate > 1:
        raise InvalidJob(
            f"accumulate adds up batches within each of {gang.size} devices, but batch norm needs all of them at once: "
            "leave accumulate out, give workers=1, or a network without batch norm"
        )
    return 1


@contextmanager
def _in_step(gang: Replicas) -> Iterator[None]:
    """Let the gang do something together.

    Raises:
        Unavailable: another process of the gang is lost. Those left learn of it in the middle of adding up numbers.
    """
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.InternalError,
    ) as error:
        if gang.size == 1:
            raise
        raise Unavailable(f"another worker of the gang was lost: {error.message.splitlines()[0]}") from error


def _saved(run: Run, gang: Replicas) -> Saved | None:
    """The newest checkpoint that the whole gang can read."""
    store = run.store.of_job(run.job)
    return read_newest(run, lambda artifact: Saved.read(store.fetch(artifact, run.scratch)), gang.all)


def _drawn_seed(gang: Replicas) -> int:
    """A random seed, the same in the whole gang."""
    return round(gang.agree([gang.is_chief * secrets.randbelow(2**32)])[0])


def _fix_randomness(spec: Train, seed: int) -> None:
    keras.utils.set_random_seed(seed)
    # A CPU computes the same twice anyway; a GPU is slowed down by it, so only where equal weights were asked for.
    if spec.seed is not None and tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def _rows(
    spec: Train, run: Run, data: TrainingData, model: Trainable
) -> tuple[EncodedRows, EncodedRows | None, LearnedFrom]:
    """What is trained on, what is validated on, and what is noted of all of it."""
    source, split, profiled, learned_from = data.source, data.split, data.profile, data.learned_from
    weighting = None if spec.sample_weight is None else Weighting(spec.sample_weight, profiled.mean_weight)
    build = partial(
        build_rows,
        encode=encoder(model.signature, model.preprocessing, model.objectives, weighting),
        row_bytes=model.row_bytes,
        batch_size=spec.batch_size * spec.accumulate,
    )
    rows = build(source, on_side(split, TRAINED), count=profiled.rows)
    if isinstance(rows, StreamedRows):
        run.say(rows.note)
    if spec.validation_data is not None or learned_from.validation is not None:
        other = _validation(spec, run, model.signature, learned_from)
        learned_from = learned_from.model_copy(update={"validation": other.used})
        return rows, build(other.source, every_row, count=other.source.rows), learned_from
    if not profiled.held_out:
        return rows, None, learned_from
    return rows, build(source, on_side(split, HELD_OUT), count=profiled.held_out), learned_from


def _validation(spec: Train, run: Run, signature: Signature, learned_from: LearnedFrom) -> OpenedData:
    """The data that the job validates on: its own, or what the version was validated on to whose data it adds."""
    if spec.validation_data is not None:
        opened = open_used(spec.validation_data, "test", run, signature)
    else:
        assert learned_from.validation is not None
        opened = open_again(learned_from.validation, "test", run, signature, run.models[0].ref)
    source = opened.source
    if signature.forecast is not None:
        source = cut_windows(source, signature.forecast, signature.inputs[0].name, run)
    aside = () if spec.sample_weight is None else (spec.sample_weight,)
    names, ref = [column.name for column in source.columns], opened.used.ref
    select_columns(names, truth_columns(signature), None, ref, aside)
    if source.rows == 0:
        raise InvalidJob(f"validation_data {ref} has no rows; give data with at least one, or a validation_split")
    return OpenedData(source, opened.used)


def _outcome(
    spec: Train,
    run: Run,
    data: TrainingData,
    model: Trainable,
    fitted: Fitted,
    seed: int,
    started: float,
    scores: CrossValidation | None,
    plan: MemoryPlan,
) -> Outcome:
    result = TrainResult(
        model="",
        metrics=fitted.metrics | _validated(scores),
        history=fitted.history,
        epochs=fitted.epochs,
        rows=data.profile.rows,
        parameters=model.parameters,
        seed=seed,
        run_s=time.monotonic() - started,
        files={},
        parts=plan.parts,
        precision="float32" if spec.precision == "float32" else "mixed",
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
