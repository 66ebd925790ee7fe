"""What a training learns, and what it is measured by: losses, metrics, weights."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

CROSS_ENTROPIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
CLASS_LOSSES = (*CROSS_ENTROPIES, "focal")
NUMBER_LOSSES = ("mse", "mae", "huber", "msle", "log_cosh")
CLASS_METRICS = ("accuracy", "auc", "precision", "recall", "f1")
NUMBER_METRICS = ("mae", "rmse", "mape", "r2")
_LEAST_IS_BEST = ("loss", "mae", "rmse", "mape")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_TOP = re.compile(r"top_([1-9]\d{0,3})")


def is_function(name: str) -> bool:
    """Whether a loss or a metric is a function of the author's: "package.module:function"."""
    return ":" in name


def top_places(metric: str) -> int | None:
    """Among how many of the likeliest classes the true one must be: 5 for "top_5"; None for other metrics."""
    matched = _TOP.fullmatch(metric)
    return int(matched[1]) if matched else None


def metric_name(metric: str) -> str:
    """What the history calls a metric: its name, or that of the author's function."""
    return metric.rpartition(":")[2]


def is_class_metric(metric: str) -> bool:
    """Whether a metric is of classes, not of numbers."""
    return metric in CLASS_METRICS or top_places(metric) is not None


def larger_is_better(monitor: str) -> bool | None:
    """Whether larger values of a name of the history are better; None if it is of no known metric.

    Names may have that of an output before them: "val_price_mae".
    """
    last = monitor.rpartition("_")[2]
    if last in _LEAST_IS_BEST:
        return False
    known = last in (*CLASS_METRICS, *NUMBER_METRICS) or re.search(r"(^|_)top_[1-9]\d*$", monitor)
    return True if known else None


def _known_loss(name: str) -> str:
    if name not in (*CLASS_LOSSES, *NUMBER_LOSSES) and not _FUNCTION.fullmatch(name):
        raise ValueError(
            f"no loss is called {name!r}; expected one of {', '.join((*NUMBER_LOSSES, *CLASS_LOSSES))}, or a function "
            "of yours as package.module:function"
        )
    return name


def _known_metric(name: str) -> str:
    if not (is_class_metric(name) or name in NUMBER_METRICS or _FUNCTION.fullmatch(name)):
        raise ValueError(
            f"no metric is called {name!r}; expected for classes {', '.join(CLASS_METRICS)} or top_5, for numbers "
            f"{', '.join(NUMBER_METRICS)}, or a function of yours as package.module:function"
        )
    return name


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    shown = [metric_name(name) for name in names]
    for name in shown:
        if shown.count(name) > 1 or name == "loss":
            raise ValueError(f"two entries of the history would be called {name!r}; rename one")
    return names


Loss = Annotated[str, AfterValidator(_known_loss)]
Metric = Annotated[str, AfterValidator(_known_metric)]
Metrics = Annotated[
    tuple[Metric, ...], BeforeValidator(_several), AfterValidator(_different), Field(min_length=1, max_length=32)
]


def _by_label(weights: Any) -> Any:
    """Class weights by label as text: labels may be numbers or booleans, too."""
    return {str(label): weight for label, weight in weights.items()} if isinstance(weights, Mapping) else weights


ClassWeights = Annotated[Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]], BeforeValidator(_by_label)]
