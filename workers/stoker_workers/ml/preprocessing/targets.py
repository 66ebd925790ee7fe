"""What the outputs of a model predict: decided for all target columns together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.data import listed

from ..columns.content import content, is_boolean, is_list, is_number
from ..columns.stats import ColumnStats, Moments
from ..columns.task import Task, TaskName, decide_task
from .digits import lost_digits
from .target import Target, in_order, label_of

MAX_CLASSES = 10_000
ONLY = "output"
"""The name of a model's only output."""


@dataclass(frozen=True)
class TargetColumn:
    """A column that holds a target.

    Attributes:
        stats: of all rows that have one.
        trained: of the training rows.
    """

    stats: ColumnStats
    trained: ColumnStats

    @property
    def name(self) -> str:
        """The column's."""
        return self.stats.column.name


@dataclass(frozen=True)
class Decided:
    """The outputs of a model.

    Attributes:
        words: what was decided, one sentence each.
        why: the reason for the task of each output.
    """

    targets: tuple[Target, ...]
    words: tuple[str, ...]
    why: tuple[str, ...]


def decide_targets(
    columns: Sequence[TargetColumn], task: TaskName | None, tasks: Mapping[str, TaskName | None] | None
) -> Decided:
    """The outputs of a model.

    Several columns of numbers are one output, and so are several of yes and no, which are labels then; else each
    column is an output.

    Args:
        task: the author's word for all columns; None decides by what they hold.
        tasks: where the author names the outputs, those of each column.

    Raises:
        InvalidJob: a column cannot be predicted, or not so.
    """
    if tasks is not None:
        each = [decide_task(column.stats, tasks[column.name]) for column in columns]
        return _one_by_one(columns, each)
    if len(columns) == 1:
        decided = decide_task(columns[0].stats, task)
        words = tuple(_sentences(columns[0], decided))
        return Decided((_target(ONLY, columns[0], decided),), words, (decided.why,))
    names = listed([column.name for column in columns])
    if task == "multilabel" or (task is None and all(is_boolean(column.stats) for column in columns)):
        _require_booleans(columns)
        why = "as task says" if task else "each yes or no: labels that hold at once"
        doubt = () if task else ("if each is a matter of its own, name them as outputs",)
        return Decided((_labels_of(columns),), (f"targets {names}: multilabel, {why}", *doubt), (why,))
    each = [decide_task(column.stats, task) for column in columns]
    if all(
        decided.task == "regression" and is_number(column.stats) for column, decided in zip(columns, each, strict=True)
    ):
        why = "numbers in each"
        lost = (line for column in columns if (line := lost_digits(column.name, column.stats.moments)))
        return Decided((_numbers_of(columns),), (f"targets {names}: regression, {why}", *lost), (why,))
    return _one_by_one(columns, each)


def _one_by_one(columns: Sequence[TargetColumn], tasks: Sequence[Task]) -> Decided:
    for column, task in zip(columns, tasks, strict=True):
        if task.task == "pixels":
            raise InvalidJob(f"target {column.name!r} holds masks, which are predicted alone; name no other target")
    pairs = list(zip(columns, tasks, strict=True))
    return Decided(
        tuple(_target(column.name, column, task) for column, task in pairs),
        tuple(line for column, task in pairs for line in _sentences(column, task)),
        tuple(f"{column.name}: {task.why}" for column, task in pairs),
    )


def _sentences(column: TargetColumn, task: Task) -> Iterator[str]:
    yield f"target {column.name!r}: {task.task}, {task.why}"
    if task.doubt:
        yield task.doubt
    if task.task == "regression" and (lost := lost_digits(column.name, column.stats.moments)):
        yield lost


def _target(name: str, column: TargetColumn, task: Task) -> Target:
    match task.task:
        case "multilabel":
            labels, rows = _labels(column)
            return Target(name, (column.name,), "multilabel", labels, rows)
        case "classification":
            classes, rows = _classes(column)
            return Target(name, (column.name,), "binary" if len(classes) == 2 else "multiclass", classes, rows)
    shape = column.stats.column.shape
    return Target(name, (column.name,), "regression", shape=shape, moments=column.trained.moments)


def _labels_of(columns: Sequence[TargetColumn]) -> Target:
    names = tuple(column.name for column in columns)
    return Target(ONLY, names, "multilabel", classes=names)


def _numbers_of(columns: Sequence[TargetColumn]) -> Target:
    names = tuple(column.name for column in columns)
    moments = Moments.beside([column.trained.moments for column in columns])
    return Target(ONLY, names, "regression", shape=(len(names),), moments=moments)


def _require_booleans(columns: Sequence[TargetColumn]) -> None:
    for column in columns:
        if not is_boolean(column.stats):
            raise InvalidJob(
                f"task='multilabel' takes several columns of yes and no, but target {column.name!r} holds "
                f"{content(column.stats)}; correct its values, or leave it out of target"
            )


def _labels(column: TargetColumn) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The labels in order, and the training rows of each."""
    if not is_list(column.stats):
        return _of_places(column)
    return _counted(column, "keep the commonest, or group them")


def _counted(column: TargetColumn, instead: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The different labels in order, and the training rows of each; `instead` is what to do about too many."""
    distinct = column.stats.distinct
    if not distinct.complete or len(distinct.counts) > MAX_CLASSES:
        raise InvalidJob(f"target {column.name!r} has more than {MAX_CLASSES:,} different labels; {instead}")
    ordered = in_order(distinct.counts)
    return tuple(map(label_of, ordered)), tuple(column.trained.distinct.counts[label] for label in ordered)


def _of_places(column: TargetColumn) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The places of rows of 0 and 1, and how many training rows have a 1 there."""
    [width] = column.stats.column.shape
    means = column.trained.moments.mean
    return tuple(map(str, range(width))), tuple(int(n) for n in np.rint(means * column.trained.rows))


def _classes(column: TargetColumn) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes in order, and the training rows of each."""
    if column.stats.column.shape:  # one-hot rows
        return _of_places(column)
    classes, rows = _counted(column, "for a number, set task='regression'")
    if len(classes) < 2:
        raise InvalidJob(f"target {column.name!r} has only one label, {classes[0]!r}; there is nothing to learn")
    return classes, rows
