"""How a training goes: gradient descent, early stopping, checkpoints."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from ...errors import InvalidJob
from ..base import Frozen, SaysNone
from .outputs import larger_is_better, metric_name

if TYPE_CHECKING:
    from ..train import Train

OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop"]


class Schedule(Frozen):
    """How the learning rate moves over the whole training.

    Attributes:
        decay: "cosine" and "linear" fall to `final` × the learning rate; "exponential" falls to it geometrically.
        final: share of the learning rate left at the end; must be above 0 for "exponential".
        warmup: share of the training over which the rate first climbs from 0.
    """

    decay: Literal["cosine", "linear", "exponential"]
    final: float = Field(default=0.01, ge=0, le=1)
    warmup: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _exponential_never_reaches_zero(self) -> Self:
        if self.decay == "exponential" and self.final == 0:
            raise InvalidJob("an exponential decay never reaches final=0: give a small share such as 0.01")
        return self


class Optimizer(Frozen):
    """Gradient descent: which rule, and how fast.

    Attributes:
        learning_rate: None takes the rule's usual one: 0.01 for sgd, 0.001 for the others.
        momentum: for sgd and rmsprop only.
        weight_decay: decoupled weight decay, for adamw (0.004 if None) and any other rule that is given one.
        clip_norm: where the gradient of all weights together is longer than this, it is shortened to it.
        clip_value: the most that the gradient of a single weight may be, in either direction; clipped before its norm.
    """

    name: OptimizerName = "adam"
    learning_rate: float | None = Field(default=None, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float | None = Field(default=None, ge=0)
    schedule: Schedule | None = None
    clip_norm: float | None = Field(default=None, gt=0)
    clip_value: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _momentum_fits(self) -> Self:
        if self.momentum and self.name not in ("sgd", "rmsprop"):
            raise InvalidJob(f"momentum is for sgd and rmsprop; {self.name} has none: leave it out")
        return self


class Monitored(Frozen):
    """A metric that something depends on.

    Attributes:
        monitor: a name of the training's history: "loss" or one of its metrics, of validation rows with "val_" before
            it; of several outputs, "price_mae" for one.
        mode: whether the least or the largest is best; None knows it for every metric but functions of yours.
        min_delta: what is better by no more than this is no improvement.
    """

    monitor: str = Field(default="val_loss", min_length=1, max_length=256)
    mode: Literal["min", "max"] | None = None
    min_delta: float = Field(default=0.0, ge=0)


class Plateau(Monitored):
    """Lower the learning rate when `monitor` has not improved for `patience` epochs, again and again.

    Attributes:
        factor: by which the rate is multiplied.
        least: the rate is not lowered below this.
    """

    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=3, ge=1)
    least: float = Field(default=0.0, ge=0)


class EarlyStopping(Monitored):
    """Stop when `monitor` has not improved by `min_delta` for `patience` epochs, and keep the best weights."""

    patience: int = Field(default=5, ge=1)
    restore_best: bool = True


class Checkpoints(SaysNone):
    """How often a training saves where it is; a resumed one goes on from there. The first limit reached saves.

    Attributes:
        epochs, steps, seconds: the interval in each unit; None for no limit in that unit.
        keep: how many to keep; older ones are deleted.
    """

    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=30.0, gt=0)
    keep: int = Field(default=2, ge=1, le=100)


def refuse_wrong_monitor(spec: "Train") -> None:
    """Refuse an early stopping, or a plateau, that watches what is not measured.

    Raises:
        InvalidJob: it does.
    """
    if spec.plateau is not None and spec.optimizer.schedule is not None:
        raise InvalidJob("plateau and the optimizer's schedule both set the learning rate: leave one of them out")
    if spec.plateau is not None and spec.folds is not None and spec.plateau.monitor.startswith("val_"):
        raise InvalidJob(
            f"plateau watches {spec.plateau.monitor}, and with folds the model itself is trained on all rows, with "
            "none to validate on: watch loss"
        )
    for what, monitored in (("early stopping", spec.early_stopping), ("plateau", spec.plateau)):
        if monitored is not None:
            refuse_unmeasured(spec, what, monitored)


def refuse_unmeasured(spec: "Train", what: str, stop: Monitored) -> None:
    """Refuse to watch what is not measured.

    Args:
        what: what watches it, for the message.

    Raises:
        InvalidJob: it is not measured, or nobody knows whether less of it is better.
    """
    # What is validated on where data are added is the version's to say.
    validated = spec.validation_data or spec.validation_split or spec.folds or spec.add_data
    if stop.monitor.startswith("val_") and not validated:
        raise InvalidJob(f"{what} watches {stop.monitor}, but there is no validation data: set one")
    watched = stop.monitor.removeprefix("val_")
    if spec.outputs or isinstance(spec.target, tuple):
        return  # what is measured depends on what the columns hold
    known = ("loss", *map(metric_name, spec.metrics or ("accuracy", "mae", "f1")))
    if watched not in known:
        raise InvalidJob(
            f"{what} watches {stop.monitor}, but the metrics are {', '.join(known[1:])}: name it in metrics"
        )
    if stop.mode is None and larger_is_better(watched) is None:
        raise InvalidJob(
            f"{what} watches {stop.monitor}, and only you know whether less of it is better: set mode to 'min' or 'max'"
        )
