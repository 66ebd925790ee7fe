"""The profile of the training data, made in one pass before a model is built."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import select_columns
from stoker.models.manifest import Signature, TensorSpec

from ..data import Column, Source, Values
from ..progress import Meter, obey_stop
from ..run import Run
from .features import class_labels, encode, numbers
from .split import Split

Task = Literal["classification", "regression"]

MAX_CLASSES = 10_000
MAX_CATEGORIES = 1_000
"""More distinct texts than this are free text or keys, from which one-hot columns learn nothing."""
_PASS_BYTES = 16 << 20


class Moments:
    """Mean, variance and range of numbers that arrive in batches (Chan, Golub & LeVeque 1979).

    Rows of rank 1 have moments for each entry; rows of higher rank (images) have one for all entries.
    """

    def __init__(self, shape: tuple[int | None, ...]) -> None:
        width = shape[0] if len(shape) == 1 and shape[0] else 1
        self._width = width
        self._count = 0
        self._squares = np.zeros(width)
        self.mean = np.zeros(width)
        self.low = np.inf
        self.high = -np.inf

    def update(self, rows: NDArray[np.float32]) -> None:
        """Add rows of finite numbers."""
        values = rows.astype(np.float64).reshape(-1, self._width)
        if not len(values):
            return
        mean = values.mean(axis=0)
        delta = mean - self.mean
        total = self._count + len(values)
        self._squares += ((values - mean) ** 2).sum(axis=0) + delta**2 * (self._count * len(values) / total)
        self.mean = self.mean + delta * (len(values) / total)
        self._count = total
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    @property
    def variance(self) -> NDArray[np.float64]:
        """The population variance."""
        return self._squares / max(self._count, 1)


@dataclass(frozen=True)
class Profile:
    """A summary of the training data.

    Attributes:
        rows, held_out: the numbers of rows for training and for validation.
        inputs: the model's inputs.
        moments: the moments of each tensor of numbers, over the training rows.
        categories: the sorted texts of each text column.
        target: the column to predict.
        named: whether the columns have names; arrays x and y have not.
        classes: the labels in sorted order; empty for regression.
        class_rows: the number of training rows of each class.
        target_shape: the shape of one row's target; () for a label or a plain number.
        target_range: lowest and highest target of the training rows; None for classes.
    """

    rows: int
    held_out: int
    inputs: tuple[TensorSpec, ...]
    moments: dict[str, Moments]
    categories: dict[str, tuple[str, ...]]
    target: str
    named: bool
    classes: tuple[str, ...]
    class_rows: tuple[int, ...]
    target_shape: tuple[int, ...]
    target_range: tuple[float, float] | None

    @property
    def task(self) -> Literal["binary", "multiclass", "regression"]:
        """The task of the signature."""
        if not self.classes:
            return "regression"
        return "binary" if len(self.classes) == 2 else "multiclass"

    def signature(self, units: int) -> Signature:
        """The signature of a model with `units` output units."""
        low, high = self.target_range or (None, None)
        return Signature(
            inputs=self.inputs,
            outputs=(TensorSpec(name="output", shape=(units,), dtype="float32", low=low, high=high),),
            task=self.task,
            classes=self.classes,
            target=self.target if self.named else None,
        )


def profile(
    source: Source,
    split: Split,
    run: Run,
    *,
    ref: str,
    target: str | None = None,
    features: Sequence[str] | None = None,
    task: Task | None = None,
    limits: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> Profile:
    """Read all rows once and summarise them.

    Args:
        limits: the signature's limits, by column.

    Raises:
        InvalidJob: a column is missing, wrong or not learnable, or a limit's column does not exist.
        Stopped: a stop was requested.
    """
    by_name = {column.name: column for column in source.columns}
    target, chosen = select_columns(tuple(by_name), target, features, ref)
    scan = _Scan([by_name[name] for name in chosen], by_name[target], task, limits)
    meter = Meter(run, "reading data", total=source.rows)
    start = 0
    for batch in source.batches(pass_rows(source)):
        stop = start + len(batch[target])
        scan.update(batch, split.held_out(start, stop), start)
        start = stop
        meter.at(stop)
        obey_stop(run)
    return scan.result(ref, named=sorted(by_name) != ["x", "y"])


def pass_rows(source: Source) -> int:
    """How many rows to read at a time, so that they take little memory."""
    row_bytes = sum(prod(column.shape) * 8 for column in source.columns)
    return max(_PASS_BYTES // row_bytes, 1)


class _Scan:
    """A profile that is being computed."""

    def __init__(
        self, features: list[Column], target: Column, task: Task | None, limits: Mapping[str, tuple[float, float]]
    ) -> None:
        for column in (*features, target):
            if not column.learnable:
                raise InvalidJob(
                    f"column {column.name!r} holds {column.dtype}; numbers, booleans and text can be learned from: "
                    "convert it or leave it out of features"
                )
        self._shapes = _limited(_input_shapes(features), limits)
        self._moments = {spec.name: Moments(spec.shape) for spec in self._shapes if spec.dtype != "string"}
        self._texts: dict[str, set[str]] = {spec.name: set() for spec in self._shapes if spec.dtype == "string"}
        self._target = target
        self._classify = task == "classification" if task else not target.dtype.startswith("float")
        self._labels: dict[str, int | str] = {}
        self._class_rows: Counter[str] = Counter()
        self._targets = Moments(())
        self._rows = self._held_out = 0

    def update(self, batch: dict[str, Values], held_out: NDArray[np.bool_], first_row: int) -> None:
        inputs = encode(self._shapes, batch, first_row)
        for name, values in (inputs if isinstance(inputs, dict) else {self._shapes[0].name: inputs}).items():
            if name in self._moments:
                self._moments[name].update(values[~held_out])
            else:
                self._take_texts(name, values)
        self._take_target(batch[self._target.name], held_out, first_row)
        self._held_out += int(held_out.sum())
        self._rows += int((~held_out).sum())

    def _take_texts(self, name: str, values: Values) -> None:
        known = self._texts[name]
        known.update(values.tolist())
        if len(known) > MAX_CATEGORIES:
            raise InvalidJob(
                f"column {name!r} holds more than {MAX_CATEGORIES:,} different texts; categories are expected, "
                "not free text or keys: leave it out of features"
            )

    def _take_target(self, values: Values, held_out: NDArray[np.bool_], first_row: int) -> None:
        name = self._target.name
        if not self._classify:
            self._targets.update(numbers(values, name, first_row)[~held_out])
            return
        labels, positions = class_labels(values, name, first_row)
        # Integers keep their numeric order: "10" comes after "9".
        self._labels.update((label, label if self._target.dtype == "string" else _number(label)) for label in labels)
        if len(self._labels) > MAX_CLASSES:
            raise InvalidJob(
                f"target {name!r} has more than {MAX_CLASSES:,} different labels; for a number, set task='regression'"
            )
        counts = np.bincount(positions[~held_out], minlength=len(labels))
        self._class_rows.update({label: int(count) for label, count in zip(labels, counts, strict=True)})

    def result(self, ref: str, *, named: bool) -> Profile:
        if not self._rows:
            raise InvalidJob(f"{ref} has no rows to train on")
        classes = tuple(sorted(self._labels, key=lambda label: self._labels[label]))
        if self._classify and len(classes) < 2:
            raise InvalidJob(
                f"target {self._target.name!r} has only one label, {classes[0]!r}; there is nothing to learn"
            )
        return Profile(
            rows=self._rows,
            held_out=self._held_out,
            inputs=tuple(self._ranged(spec) for spec in self._shapes),
            moments=self._moments,
            categories={name: tuple(sorted(known)) for name, known in self._texts.items()},
            target=self._target.name,
            named=named,
            classes=classes,
            class_rows=tuple(self._class_rows[label] for label in classes),
            target_shape=() if self._classify else self._target.shape,
            target_range=None if self._classify else (self._targets.low, self._targets.high),
        )

    def _ranged(self, spec: TensorSpec) -> TensorSpec:
        if spec.name not in self._moments:
            return spec
        moments = self._moments[spec.name]
        return spec.model_copy(update={"low": moments.low, "high": moments.high})


def _input_shapes(features: list[Column]) -> tuple[TensorSpec, ...]:
    """One tensor of all columns, or one for each column if one of them is text."""
    if len(features) == 1 and features[0].shape and features[0].dtype != "string":
        return (TensorSpec(name=features[0].name, shape=features[0].shape, dtype="float32"),)
    for column in features:
        if column.shape:
            raise InvalidJob(
                f"column {column.name!r} has rows of shape {column.shape}; that is possible only for numbers, as the "
                f"only feature: set features=({column.name!r},)"
            )
    if all(column.dtype != "string" for column in features):
        names = tuple(column.name for column in features)
        return (TensorSpec(name="features", shape=(len(names),), dtype="float32", columns=names),)
    for column in features:
        if "/" in column.name:
            raise InvalidJob(f"column {column.name!r} has a / in its name, which Keras cannot take; rename it")
    return tuple(
        TensorSpec(name=column.name, dtype="string" if column.dtype == "string" else "float32") for column in features
    )


def _limited(shapes: tuple[TensorSpec, ...], limits: Mapping[str, tuple[float, float]]) -> tuple[TensorSpec, ...]:
    """The tensors with their limits."""
    numeric = [name for spec in shapes if spec.dtype != "string" for name in (spec.columns or (spec.name,))]
    for name in limits:
        if name not in numeric:
            raise InvalidJob(f"limits name {name!r}, which is no column of numbers to learn from; there are {numeric}")
    return tuple(
        spec.model_copy(update={"limits": {n: limits[n] for n in spec.columns or (spec.name,) if n in limits}})
        for spec in shapes
    )


def _number(label: str) -> int:
    return int(label) if label not in ("False", "True") else int(label == "True")
