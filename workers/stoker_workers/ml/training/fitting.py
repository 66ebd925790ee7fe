"""Fitting a model from its job: data, network, rows, training loop; from the last checkpoint if there is one."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

import keras
import tensorflow as tf

from stoker.errors import InvalidJob, Unavailable
from stoker.kinds import Train
from stoker.kinds.training.memory_plan import MemoryPlan, memory_plan_of
from stoker.models.data import select_columns
from stoker.models.learned_from import LearnedFrom
from stoker.models.signature import Signature

from .. import accelerator
from ..added_data import NAME_ROWS
from ..preprocessing.forecasting import cut_windows
from ..preprocessing.split import HELD_OUT, TRAINED
from ..preprocessing.target import truth_columns
from ..reading import TrainingData, read_training_data
from ..resuming import read_newest
from ..run import Run, Stopped
from ..used_data import GIVE_ALL, OpenedData, open_again, open_used
from .checkpoint import Position, Saved
from .dataset import Weighting, build_rows, encoder, every_row, on_side
from .model import Trainable
from .replicas import Replicas, batch_norms
from .rows import EncodedRows, StreamedRows
from .training import Fitted, Trainer

Build: TypeAlias = Callable[[Train, Run, TrainingData, int], Trainable]
"""Makes the model of a job for its data and a seed."""


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes:
        data: what it was fitted to, with what is noted of it.
        parts: into how many parts each batch was divided for want of memory.
    """

    data: TrainingData
    model: Trainable
    fitted: Fitted
    seed: int
    parts: int
    precision: Literal["float32", "mixed"]


def fit(spec: Train, run: Run, build: Build, *, again: bool = False) -> Fit:
    """Fit a model, from the last checkpoint if there is one.

    Args:
        again: whether it learns from what its version has learned from, as that was read then, and not from spec.data.

    Raises:
        InvalidJob: data, architecture and loss do not fit together, the training diverged, or the model that was saved
            cannot be loaded.
        Stopped: a stop was asked for.
        Unavailable: it would be computed on another device than the worker's.
    """
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
    data = read_training_data(spec, run, seed, again=again)
    with gang.scope():
        model = build(spec, run, data, seed)
    accelerator.check_placement(run.device, (name for weight in model.network.weights for name in gang.devices(weight)))
    rows, validation, learned_from = _rows(spec, run, data, model, again=again)
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
    precision: Literal["float32", "mixed"] = "float32" if spec.precision == "float32" else "mixed"
    return Fit(replace(data, learned_from=learned_from), model, fitted, seed, plan.parts, precision)


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
    spec: Train, run: Run, data: TrainingData, model: Trainable, *, again: bool
) -> tuple[EncodedRows, EncodedRows | None, LearnedFrom]:
    """What is trained on, what is validated on, and what is noted of all of it."""
    source, split, profiled, learned_from = data.source, data.split, data.profile, data.learned_from
    weighting = None if spec.sample_weight is None else Weighting(spec.sample_weight, profiled.mean_weight)
    encode = encoder(model.signature, model.preprocessing, model.objectives, weighting)
    build = partial(
        build_rows,
        row_bytes=model.row_bytes,
        batch_size=spec.batch_size * spec.accumulate,
    )
    trained = encode if model.beside is None else model.beside(encode)
    rows = build(source, on_side(split, TRAINED), encode=trained, count=profiled.rows)
    if isinstance(rows, StreamedRows):
        run.say(rows.note)
    if spec.validation_data is not None or learned_from.validation is not None:
        other = _validation(spec, run, model.signature, learned_from, again=again)
        learned_from = learned_from.model_copy(update={"validation": other.used})
        return rows, build(other.source, every_row, encode=encode, count=other.source.rows), learned_from
    if not profiled.held_out:
        return rows, None, learned_from
    return rows, build(source, on_side(split, HELD_OUT), encode=encode, count=profiled.held_out), learned_from


def _validation(spec: Train, run: Run, signature: Signature, learned_from: LearnedFrom, *, again: bool) -> OpenedData:
    """The data that the job validates on: its own, or what the version was validated on of whose data it learns."""
    if spec.validation_data is not None and not again:
        opened = open_used(spec.validation_data, "test", run, signature)
    else:
        assert learned_from.validation is not None
        instead = NAME_ROWS if again else GIVE_ALL
        opened = open_again(learned_from.validation, "test", run, signature, run.models[0].ref, instead)
    source = opened.source
    if signature.forecast is not None:
        source = cut_windows(source, signature.forecast, signature.inputs[0].name, run)
    aside = () if spec.sample_weight is None else (spec.sample_weight,)
    names, ref = [column.name for column in source.columns], opened.used.ref
    select_columns(names, truth_columns(signature), None, ref, aside)
    if source.rows == 0:
        raise InvalidJob(f"validation_data {ref} has no rows; give data with at least one, or a validation_split")
    return OpenedData(source, opened.used)
