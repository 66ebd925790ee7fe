"""The rule by which a comparison chooses a model, and the metrics that it may name."""

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from types import MappingProxyType
from typing import Literal, Self

from ..errors import InvalidJob

QUALITIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classification": (
            "accuracy",
            "precision",
            "recall",
            "f1",
            "loss",
            "roc_auc",
            "average_precision",
            "calibration_error",
        ),
        "regression": ("r2", "mse", "rmse", "mae", "loss"),
        "multilabel": ("accuracy", "micro_f1", "precision", "recall", "f1", "loss", "roc_auc", "average_precision"),
        "pixels": ("mean_iou", "accuracy", "loss"),
        "reconstruction": ("r2", "error", "mse", "rmse", "mae", "loss"),
    }
)
"""How good outputs are, by their task; the first is the headline, of which more is better."""
CLASS_SHARE = "iou_"
"""Before the label of a class of pixels: the intersection over the union of its truth and prediction."""
COSTS = (
    "parameters", "bytes", "memory_bytes", "rows_per_s", "latency_ms", "p50_ms", "p99_ms", "p50_ms_32", "p99_ms_32",
)  # fmt: skip
"""What models of every task need."""
METRICS = tuple(dict.fromkeys([*(name for names in QUALITIES.values() for name in names), *COSTS]))
_QUALITIES = tuple(name for name in METRICS if name not in COSTS)
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType({"<": lt, "<=": le, ">": gt, ">=": ge})
_EXAMPLE = "max accuracy where p99_ms < 5 and bytes < 1_000_000"
# A name, of which dots part the output from the metric; an output that is no such word stands in quotes.
_NAME = r'"[^"]+"\.[^\W\d]\w*|[^\W\d]\w*(?:\.[^\W\d]\w*)*'
_NUMBER = r"[+-]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(rf"{_NAME}|{_NUMBER}|[<>]=?|\S")


@dataclass(frozen=True)
class Condition:
    """What a model must meet to be chosen; `limit` is the number, and `text` as it was written."""

    metric: str
    operator: str
    limit: float
    text: str

    def holds(self, value: float) -> bool:
        """Whether a value meets it."""
        return _OPERATORS[self.operator](value, self.limit)


@dataclass(frozen=True)
class Rule:
    """By what a model is chosen: the most or the least of a metric, of those that meet all conditions."""

    goal: Literal["max", "min"]
    metric: str
    conditions: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """A rule from its text: `max|min METRIC [where METRIC <|<=|>|>= NUMBER [and …]]`.

        A metric of one of several outputs is `OUTPUT.METRIC`, or `"OUTPUT".METRIC` where the name is no plain word.

        Raises:
            InvalidJob: it is none; says where it goes wrong.
        """
        words = _Words(text)
        goal: Literal["max", "min"] = "max" if words.take(("max", "min"), "'max' or 'min'") == "max" else "min"
        metric = words.metric()
        conditions: list[Condition] = []
        while words.are_left:
            joint = "and" if conditions else "where"
            words.take((joint,), f"{joint!r} or the end")
            conditions.append(words.condition())
        return cls(goal, metric, tuple(conditions))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it names."""
        return self.metric, *(condition.metric for condition in self.conditions)


class _Words:
    """The text of a rule, read word by word."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = _TOKEN.findall(text)
        self._at = 0

    @property
    def are_left(self) -> bool:
        """Whether there are more."""
        return self._at < len(self._words)

    def take(self, allowed: Collection[str], expected: str) -> str:
        """The next word, which must be one of the allowed."""
        word = self._next
        if word not in allowed:
            raise self._refused(expected)
        self._at += 1
        return word

    def metric(self) -> str:
        """The next word, which must name a metric; of an output without its quotes."""
        output, _, metric = self._next.rpartition(".")
        if output and metric in _QUALITIES:
            self._at += 1
            return of_output(output.strip('"'), metric)
        shares = (self._next,) if metric.startswith(CLASS_SHARE) and not output else ()
        return self.take((*METRICS, *shares), f"a metric ({_meant(self._next)})")

    def condition(self) -> Condition:
        """The next three words: a metric, how it compares, and a number."""
        metric, operator = self.metric(), self.take(_OPERATORS, "one of <, <=, >, >=")
        try:
            limit = float(self._next)
        except ValueError:
            limit = math.nan
        number = (self._next,) if math.isfinite(limit) else ()
        return Condition(metric, operator, limit, self.take(number, "a number, such as 5, 0.5, 1e6 or 1_000_000"))

    @property
    def _next(self) -> str:
        return self._words[self._at] if self.are_left else ""

    def _refused(self, expected: str) -> InvalidJob:
        before = " ".join(self._words[: self._at])
        place = f"after {before!r}" if before else "first"
        got = f"got {self._next!r}" if self.are_left else "and it ends there"
        return InvalidJob(
            f"choose={self._text!r} is no rule: expected {expected} {place}, {got}; write it like {_EXAMPLE!r}"
        )


def of_output(output: str, metric: str) -> str:
    """What the metric of one of several outputs is called."""
    return f"{output}.{metric}"


def _meant(word: str) -> str:
    """Which metric a word that is none may have been meant to be."""
    # As Evaluate and the history of a training call it.
    for metric in sorted(_QUALITIES, key=len, reverse=True):
        output = word.removesuffix(f"_{metric}")
        if output not in (word, ""):
            return f"did you mean {of_output(output, metric)!r}, of the output {output!r}?"
    output, dot, metric = word.rpartition(".")
    close = difflib.get_close_matches(metric.lower(), _QUALITIES if dot else METRICS, n=1)
    return f"did you mean {output + dot + close[0]!r}?" if close else f"there are {', '.join(METRICS)}"
