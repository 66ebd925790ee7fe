"""What a training learns, and what it is measured by: losses, metrics, weights."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ...errors import InvalidJob
from ..accepts import Accepts
from ..base import Frozen, several
from ..needs import FUNCTION
from .keras_custom import is_foreign

if TYPE_CHECKING:
    from ..train import Train

CROSS_ENTROPIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
CLASS_LOSSES = (*CROSS_ENTROPIES, "focal")
LABEL_LOSSES = ("binary_crossentropy", "focal")
NUMBER_LOSSES = ("mse", "mae", "huber", "msle", "log_cosh")
CLASS_METRICS = ("accuracy", "auc", "precision", "recall", "f1")
NUMBER_METRICS = ("mae", "rmse", "mape", "r2")
TargetTask = Literal["classification", "regression", "multilabel", "pixels"]
LearnedTask = Literal[TargetTask, "reconstruction"]
_LEAST_IS_BEST = ("loss", "mae", "rmse", "mape")
_FUNCTION = re.compile(FUNCTION)
_TOP = re.compile(r"top_([1-9]\d{0,3})")


def _distinct(names: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if not isinstance(names, str) and len(set(names)) < len(names):
        raise ValueError(f"it names a column twice: {', '.join(names)}")
    return names[0] if len(names) == 1 and not isinstance(names, str) else names


Targets = Annotated[str | Annotated[tuple[str, ...], Field(min_length=1, max_length=10_000)], AfterValidator(_distinct)]


def is_own(name: str) -> bool:
    """Whether a loss or a metric is the author's own: "package.module:function", or "package.module:Class"."""
    return ":" in name


def is_class(path: str) -> bool:
    """Whether an author's own loss or metric is a Keras class, not a function: its name begins with a capital."""
    return path.rpartition(":")[2][:1].isupper()


def class_modules(names: Iterable[str]) -> tuple[str, ...]:
    """The modules of those of some losses and metrics that are the author's own classes, in order."""
    return tuple(sorted({name.partition(":")[0] for name in names if is_own(name) and is_class(name)}))


def top_places(metric: str) -> int | None:
    """Among how many of the likeliest classes the true one must be: 5 for "top_5"; None for other metrics."""
    matched = _TOP.fullmatch(metric)
    return int(matched[1]) if matched else None


def metric_name(metric: str) -> str:
    """What the history calls a metric: its name, or that of the author's function or class."""
    return metric.rpartition(":")[2]


def is_class_metric(metric: str) -> bool:
    """Whether a metric is of classes, not of numbers."""
    return metric in CLASS_METRICS or top_places(metric) is not None


def larger_is_better(metric: str) -> bool | None:
    """Whether larger values of "loss" or a metric are better; None if only its author knows."""
    if metric in _LEAST_IS_BEST:
        return False
    return True if metric in NUMBER_METRICS or is_class_metric(metric) else None


def best_is_largest(monitor: str, outputs: Sequence[str]) -> bool | None:
    """Whether larger values of a name of the history are better; None if only its author knows.

    Args:
        outputs: the names that may stand before a metric's, of several outputs.
    """
    name = monitor.removeprefix("val_")
    metrics = [name, *(name.removeprefix(f"{output}_") for output in outputs)]
    return next((rises for metric in metrics if (rises := larger_is_better(metric)) is not None), None)


def _known_loss(name: str) -> str:
    if name not in (*CLASS_LOSSES, *NUMBER_LOSSES) and not _FUNCTION.fullmatch(name):
        raise ValueError(
            f"no loss is called {name!r}; expected one of {', '.join((*NUMBER_LOSSES, *CLASS_LOSSES))}, or a function "
            "or class of yours as package.module:function or package.module:Class"
        )
    return _authors(name)


def _authors(name: str) -> str:
    if is_own(name) and is_class(name) and is_foreign(name.partition(":")[0]):
        raise ValueError(
            f"{name!r} is no class of yours: those of Python, Keras and TensorFlow are not taken; register one of your "
            "own that is derived from it"
        )
    return name


def _known_metric(name: str) -> str:
    if not (is_class_metric(name) or name in NUMBER_METRICS or _FUNCTION.fullmatch(name)):
        raise ValueError(
            f"no metric is called {name!r}; expected for classes {', '.join(CLASS_METRICS)} or top_5, for numbers "
            f"{', '.join(NUMBER_METRICS)}, or a function or class of yours as package.module:function or "
            "package.module:Class"
        )
    return _authors(name)


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    shown = [metric_name(name) for name in names]
    for name in shown:
        if shown.count(name) > 1 or name == "loss":
            raise ValueError(f"two entries of the history would be called {name!r}; rename one")
    return names


Loss = Annotated[str, AfterValidator(_known_loss)]
Metric = Annotated[str, AfterValidator(_known_metric)]
Metrics = Annotated[
    tuple[Metric, ...], BeforeValidator(several), AfterValidator(_different), Field(min_length=1, max_length=32)
]


class Output(Frozen):
    """How one of several outputs is learned.

    Attributes:
        loss: as that of `Train`.
        weight: of its loss in the sum of all; numbers are scaled first, so that 1 is fair.
        metrics: as those of `Train`; the history has them after the output's name: "price_mae".
        task: as that of `Train`, of what has a target.
    """

    loss: Loss | None = None
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    metrics: Accepts[Metrics | None, str | list[str]] = Field(default=None, validate_default=True)
    task: TargetTask | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_task(self.task, self.loss, self.metrics)
        return self


def check_task(task: LearnedTask | None, loss: str | None, metrics: tuple[str, ...] | None) -> None:
    """Refuse a loss and metrics that are not of the task.

    Raises:
        InvalidJob: one is not.
    """
    if task == "regression" and loss in CLASS_LOSSES:
        raise InvalidJob(f"loss={loss!r} is for classes; task='regression' wants mse, mae, huber, msle or log_cosh")
    if task == "classification" and loss in NUMBER_LOSSES:
        raise InvalidJob(f"loss={loss!r} is for numbers; task='classification' wants a cross-entropy or focal")
    if task == "multilabel" and loss and not is_own(loss) and loss not in LABEL_LOSSES:
        raise InvalidJob(f"loss={loss!r} is not for labels that hold at once; use {' or '.join(LABEL_LOSSES)}")
    for metric in metrics or ():
        if (
            task is not None
            and not is_own(metric)
            and is_class_metric(metric) != (task not in ("regression", "reconstruction"))
        ):
            of = "classes" if is_class_metric(metric) else "numbers"
            raise InvalidJob(f"metrics names {metric!r}, which is of {of}; task={task!r} has others")


def refuse_wrong_outputs(spec: "Train") -> None:
    """Refuse outputs that contradict what the job itspec says.

    Raises:
        InvalidJob: they do.
    """
    if not spec.outputs:
        return
    if len(spec.outputs) == 1:
        raise InvalidJob("outputs names a single one; say target, loss and metrics of the job itspec instead")
    columns = (spec.target,) if isinstance(spec.target, str) else spec.target
    if columns is not None and set(columns) != set(spec.outputs):
        raise InvalidJob(f"target names {', '.join(columns)}, and outputs {', '.join(spec.outputs)}: leave target out")
    for name in ("loss", "metrics", "task", "from_logits", "class_weights"):
        if getattr(spec, name) is not None:
            raise InvalidJob(f"{name} is of a single output; of several, say it in outputs, or leave it out")


def _by_label(weights: Any) -> Any:
    """Class weights by label as text: labels may be numbers or booleans, too."""
    return {str(label): weight for label, weight in weights.items()} if isinstance(weights, Mapping) else weights


ClassWeights = Annotated[Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]], BeforeValidator(_by_label)]
