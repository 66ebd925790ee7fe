"""What a target column asks for: classes, or numbers."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from stoker.errors import InvalidJob

from .codes import code_counts, is_balanced
from .content import content, count_text, holds_times, is_list, is_number, is_text, may_be_no_times, quoted, range_text
from .stats import ColumnStats

TaskName = Literal["classification", "regression", "multilabel", "pixels"]

# Whole numbers that are classes: how many, and how many if all occur about equally often.
_MOST_CLASSES, _MOST_BALANCED_CLASSES = 20, 1000
# From so many on, how often each occurs has a shape: a count's, a bell's, or none.
_LEAST_SHAPED = 5
_SHAPED_STEPS = 0.75
# From the rarest to the commonest: no classes, if the shape is a bell's.
_BELL = 20
# Of classes, more rows have one that others have too; few rows tell nothing.
_MOST_DISTINCT, _LEAST_ROWS = 0.5, 10


@dataclass(frozen=True)
class Task:
    """What is predicted.

    Attributes:
        why: what in the target says so.
        doubt: why it may be the other, and which setting says so; None if it can hardly be.
    """

    task: TaskName
    why: str
    doubt: str | None = None


def decide_task(stats: ColumnStats, chosen: TaskName | None = None) -> Task:
    """The task of a target: the chosen one, or what its values say.

    Raises:
        InvalidJob: the target cannot be predicted, or not so.
    """
    if chosen == "pixels" or (chosen is None and stats.column.role == "mask"):
        return Task("pixels", "as task says" if chosen else "its pixels are classes")
    _require_target(stats)
    if chosen is None and is_number(stats) and holds_times(stats) and not may_be_no_times(stats):
        raise InvalidJob(
            f"target {stats.column.name!r} holds dates written as numbers, such as {quoted(stats)}, whose "
            "differences are no days; predict a number of days, or set task='regression' to predict them as they are"
        )
    if chosen == "regression":
        _require_numbers(stats)
        return Task("regression", "as task says")
    if chosen == "multilabel" or is_list(stats):
        _require_labels(stats)
        why = "as task says" if chosen else f"lists of {count_text(stats)} different texts"
        return Task("multilabel", why)
    if chosen == "classification" or is_text(stats):
        _require_classes(stats)
        why = "as task says" if chosen else f"{count_text(stats)} different texts"
        return Task("classification", why)
    return _of_array(stats) if stats.column.shape else _of_numbers(stats)


def _of_array(stats: ColumnStats) -> Task:
    width = stats.column.shape[0]
    if stats.one_hot:
        return Task("classification", f"one 1 in {width} places of every row: one-hot, of {width} classes")
    if stats.whole and stats.moments.low == 0 and stats.moments.high == 1:
        return Task(
            "multilabel",
            f"0 or 1 in {width} places of every row, and not always a single 1: labels that hold at once",
            "if they are amounts, set task='regression' to predict each as a number",
        )
    return Task("regression", f"{width} numbers in every row")


def _of_numbers(stats: ColumnStats) -> Task:
    distinct = stats.distinct.counts
    if len(distinct) == 2 and stats.distinct.complete:
        return Task("classification", "two values")
    if not stats.whole:
        return Task("regression", "it has fractions")
    told = f"{count_text(stats)} different whole numbers {range_text(stats)}"
    if counts := code_counts(stats, _MOST_BALANCED_CLASSES):
        return _of_codes(counts, told)
    if len(distinct) <= _MOST_CLASSES:
        return Task("regression", f"{told}, with gaps", _labels(stats))
    return Task("regression", told)


def _of_codes(counts: list[int], told: str) -> Task:
    """Whole numbers without a gap, from 0 or 1."""
    if is_balanced(counts):
        return Task("classification", f"{told}, all about equally often")
    if len(counts) > _MOST_CLASSES:
        return Task("regression", told)
    labels = "if they are labels, set task='classification'"
    if len(counts) >= _LEAST_SHAPED:
        if _share_of_hill(counts, 0) >= _SHAPED_STEPS:
            return Task("regression", f"{told}, the larger the rarer, as counts are", labels)
        peak = counts.index(max(counts))
        if max(counts) > _BELL * min(counts) and _share_of_hill(counts, peak) >= _SHAPED_STEPS:
            return Task("regression", f"{told}, the commonest in the middle, as amounts are", labels)
    return Task("classification", told, "if they are amounts, set task='regression' to predict a number")


def _share_of_hill(counts: list[int], peak: int) -> float:
    """The share of steps that rise up to a place, and fall from there."""
    steps = list(pairwise(counts))
    right = sum(after > before if place < peak else after < before for place, (before, after) in enumerate(steps))
    return right / len(steps)


def _labels(stats: ColumnStats) -> str:
    return f"if they are labels of {count_text(stats)} classes, set task='classification'"


def _require_target(stats: ColumnStats) -> None:
    column = stats.column
    numbers = is_list(stats) and not stats.distinct.counts
    if column.dtype == "time" or numbers or not column.learnable or len(column.shape) > 1:
        raise InvalidJob(
            f"target {column.name!r} holds {content(stats)}, and only numbers, texts, booleans, rows of numbers or "
            "lists of texts can be predicted; name another target"
        )
    if not stats.present:
        raise InvalidJob(f"target {column.name!r} has no value in any of {stats.rows:,} rows; name another target")
    if not column.shape and not is_list(stats) and len(stats.distinct.counts) == 1:
        raise InvalidJob(
            f"target {column.name!r} is the same in every row ({content(stats)}): there is nothing to learn; name "
            "another target, or give data in which it differs"
        )


def _require_labels(stats: ColumnStats) -> None:
    zeros_and_ones = stats.column.shape and stats.whole and (stats.moments.low, stats.moments.high) == (0, 1)
    if not is_list(stats) and not zeros_and_ones:
        raise InvalidJob(
            f"task='multilabel' predicts labels that hold at once, but target {stats.column.name!r} holds "
            f"{content(stats)}; give lists of texts, rows of 0 and 1, or several columns of yes and no as "
            "target=('a', 'b')"
        )


def _require_numbers(stats: ColumnStats) -> None:
    if not is_number(stats) and not (stats.column.shape and stats.column.dtype != "string"):
        raise InvalidJob(
            f"task='regression' predicts numbers, but target {stats.column.name!r} holds {content(stats)}; correct its "
            "values, or set task='classification'"
        )


def _require_classes(stats: ColumnStats) -> None:
    column, distinct = stats.column, stats.distinct
    if column.shape:
        if not stats.one_hot:
            raise InvalidJob(
                f"target {column.name!r} holds {content(stats)}, and rows of numbers are classes only if each has "
                "exactly one 1 and else 0; give labels, or set task='regression'"
            )
        return
    if distinct.rows >= _LEAST_ROWS and distinct.share > _MOST_DISTINCT:
        instead = "set task='regression'" if is_number(stats) else "name another target"
        raise InvalidJob(
            f"target {column.name!r} cannot be classes: {count_text(stats)} of {distinct.rows:,} values differ "
            f"({content(stats)}), and a class must come up again to be learned; {instead}"
        )
