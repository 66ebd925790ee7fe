"""The rule by which a comparison chooses a model, and the metrics that it may name."""

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import ge, gt, le, lt
from types import MappingProxyType
from typing import Literal, Self

from ..errors import InvalidJob
from .problems import short

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
RuledDevice = Literal["cpu", "gpu"]
"""Where a rule may have times measured."""
METRICS = tuple(dict.fromkeys([*(name for names in QUALITIES.values() for name in names), *COSTS]))
_QUALITIES = tuple(name for name in METRICS if name not in COSTS)
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType({"<": lt, "<=": le, ">": gt, ">=": ge})
_EXAMPLE = "max accuracy where p99_ms < 5 and bytes < 1MB"
_DEVICES: tuple[RuledDevice, ...] = ("cpu", "gpu")
# What the device decides.
_TIMES = ("rows_per_s", "latency_ms", "p50_ms", "p99_ms", "p50_ms_32", "p99_ms_32")
_NO_SHARES = ("loss", "r2", "mse", "rmse", "mae", "error")
# Each unit as what one of it is in the unit that a metric has without.
_OF_BYTES = {
    "B": Decimal(1), "kB": Decimal(10**3), "MB": Decimal(10**6), "GB": Decimal(10**9),
    "KiB": Decimal(2**10), "MiB": Decimal(2**20), "GiB": Decimal(2**30),
}  # fmt: skip
_OF_TIMES = {"us": Decimal("0.001"), "µs": Decimal("0.001"), "ms": Decimal(1), "s": Decimal(1000)}
_OF_SHARES = {"%": Decimal("0.01")}
_UNITS = {**_OF_BYTES, **_OF_TIMES, **_OF_SHARES}
_ANY_CASE = {unit.lower() for unit in _UNITS}
# A name, of which dots part the output from the metric; an output that is no such word stands in quotes.
_NAME = r'"[^"]+"\.[^\W\d]\w*|[^\W\d]\w*(?:\.[^\W\d]\w*)*'
_NUMBER = r"[+-]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(rf"{_NAME}|{_NUMBER}|[<>]=?|\S")


@dataclass(frozen=True)
class Condition:
    """What a model must meet to be chosen.

    Attributes:
        limit: the number, in bytes, milliseconds, or a share of 1.
        text: the same as it was written.
    """

    metric: str
    operator: str
    limit: float
    text: str

    def holds(self, value: float) -> bool:
        """Whether a value meets it."""
        return _OPERATORS[self.operator](value, self.limit)


@dataclass(frozen=True)
class Rule:
    """By what a model is chosen: the most or the least of a metric, of those that meet all conditions.

    Attributes:
        device: where its times are to be measured; None leaves it to the job.
    """

    goal: Literal["max", "min"]
    metric: str
    conditions: tuple[Condition, ...] = ()
    device: RuledDevice | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """A rule from its text: `max|min METRIC [on DEVICE] [where METRIC <|<=|>|>= NUMBER[UNIT] [on DEVICE] [and …]]`.

        A metric of one of several outputs is `OUTPUT.METRIC`, or `"OUTPUT".METRIC` where the name is no plain word.
        Units are B, kB, MB, GB, KiB, MiB, GiB of bytes, us, ms, s of times, and % of shares of 1. A device, cpu or gpu,
        stands behind a time, and holds for all of the rule.

        Raises:
            InvalidJob: it is none; says where it goes wrong.
        """
        words = _Words(text)
        goal: Literal["max", "min"] = "max" if words.take(("max", "min"), "'max' or 'min'") == "max" else "min"
        metric = words.metric()
        words.device(metric)
        conditions: list[Condition] = []
        while words.are_left:
            joint = "and" if conditions else "where"
            words.take((joint,), f"{joint!r} or the end")
            conditions.append(words.condition())
        return cls(goal, metric, tuple(conditions), words.named_device)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it names."""
        return self.metric, *(condition.metric for condition in self.conditions)


class _Words:
    """The text of a rule, read word by word.

    Attributes:
        named_device: the device that it has named so far.
    """

    named_device: RuledDevice | None = None

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
        """The next words: a metric, how it compares, a number, and its unit and a device where these are named."""
        metric, operator = self.metric(), self.take(_OPERATORS, "one of <, <=, >, >=")
        try:
            limit = float(self._next)
        except ValueError:
            limit = math.nan
        number = (self._next,) if math.isfinite(limit) else ()
        written = self.take(number, "a number, such as 5, 0.5, 1e6 or 1_000_000")
        if unit := self._unit(metric):
            # Not by floats: 99.9 % is the float nearest to 0.999.
            limit, written = float(Decimal(repr(limit)) * _UNITS[unit]), f"{written} {unit}"
        self.device(metric)
        return Condition(metric, operator, limit, written)

    def device(self, metric: str) -> None:
        """The next words, if they name where a time is to be measured."""
        if self._next != "on":
            return
        if metric not in _TIMES:
            raise self._refused(f"no device, on which {metric} does not depend,")
        self._at += 1
        named: RuledDevice = "cpu" if self.take(_DEVICES, "cpu or gpu") == "cpu" else "gpu"
        if self.named_device not in (None, named):
            self._at -= 1
            raise self._refused(f"{self.named_device}, for a comparison runs on one device,")
        self.named_device = named

    def _unit(self, metric: str) -> str | None:
        """The next word if it is a unit of the metric."""
        units, word = _units_of(metric), self._next
        if word in units:
            self._at += 1
            return word
        if word.lower() in _ANY_CASE:
            known = f"a unit of {metric} ({', '.join(units)})" if units else f"no unit, for {metric} has none,"
            raise self._refused(known)
        return None

    @property
    def _next(self) -> str:
        return str(self._words[self._at]) if self.are_left else ""

    def _refused(self, expected: str) -> InvalidJob:
        before = " ".join(self._words[: self._at])
        place = f"after {before!r}" if before else "first"
        got = f"got {short(self._next)}" if self.are_left else "and it ends there"
        return InvalidJob(
            f"choose={short(self._text)} is no rule: expected {expected} {place}, {got}; write it like {_EXAMPLE!r}"
        )


def of_output(output: str, metric: str) -> str:
    """What the metric of one of several outputs is called."""
    return f"{output}.{metric}"


def _units_of(metric: str) -> Mapping[str, Decimal]:
    """The units that a metric may have."""
    if metric in COSTS:
        return _OF_BYTES if metric.endswith("bytes") else _OF_TIMES if "_ms" in metric else {}
    return {} if metric.rpartition(".")[2] in _NO_SHARES else _OF_SHARES


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
