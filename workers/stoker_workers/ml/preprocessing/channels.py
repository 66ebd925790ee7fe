"""The columns of a table that a forecast is made from."""

from collections.abc import Iterator, Mapping

from stoker.errors import InvalidJob
from stoker.kinds import Train, as_data
from stoker.kinds.training.forecast import Forecast
from stoker.models.data import choices
from stoker.models.manifest import LearnedColumn

from ..columns.decision import Decision
from ..columns.kinds import decide
from ..columns.stats import ColumnStats
from ..data import Column, Source, Values

_NUMBERS_ONLY = "a forecast reads numbers only"


def require_columns(spec: Train, asked: Forecast, source: Source) -> None:
    """Refuse a table without the columns that a job names, or with other ones than it can be sorted by.

    Raises:
        InvalidJob: it is such a table.
    """
    by_name = {column.name: column for column in source.columns}
    assert isinstance(spec.target, str)
    named = [("target", spec.target), ("time", asked.time), ("series", asked.series)]
    for setting, name in (*named, *(("features", name) for name in spec.features or ())):
        if name is not None and name not in by_name:
            known = choices(name, list(by_name))
            raise InvalidJob(f"{setting} names {name!r}, which {spec.data} has not; it has {known}")
    time = by_name[asked.time]
    if not _holds_times_or_texts(time) and not _holds_numbers(time):
        raise InvalidJob(f"time names column {time.name!r}, which holds neither times nor numbers; name another one")


def columns_of_truth(spec: Train, asked: Forecast, source: Source, table: Mapping[str, Values]) -> tuple[str, ...]:
    """The columns of yes and no: of booleans, or of words for them.

    Raises:
        InvalidJob: the author calls a column one, and it is none.
    """
    others = (asked.time, asked.series)
    return tuple(
        column.name
        for column in source.columns
        if column.name not in others and not column.shape and _is_truth(spec, column, table[column.name])
    )


def _is_truth(spec: Train, column: Column, values: Values) -> bool:
    if column.dtype != "string":
        return column.dtype == "bool"
    chosen = as_data(spec.data).columns.get(column.name)
    stats = ColumnStats(column)
    stats.update(values)
    return chosen in (None, "boolean") and decide(stats, chosen).kind == "boolean"


def learned_columns(
    spec: Train, asked: Forecast, source: Source, table: Mapping[str, Values], booleans: tuple[str, ...]
) -> Iterator[LearnedColumn]:
    """What is made of each column but the time and the series.

    Args:
        booleans: those of yes and no, which are numbers as well.

    Raises:
        InvalidJob: the target, or a feature that is named, holds no numbers.
    """
    for column in source.columns:
        if column.name in (asked.time, asked.series):
            continue
        wanted = column.name in (spec.target, *(spec.features or ()))
        if not _holds_numbers(column) and column.name not in booleans:
            if wanted:
                raise InvalidJob(
                    f"a forecast is of numbers and from numbers, and column {column.name!r} holds others; name a "
                    "column of numbers, or correct the cells that are none"
                )
            yield LearnedColumn(name=column.name, kind="ignore", why=_NUMBERS_ONLY)
        elif spec.features is not None and not wanted:
            yield LearnedColumn(name=column.name, kind="ignore", why="features does not name it")
        else:
            yield _number(spec, column, table[column.name], wanted=wanted)


def time_decision(spec: Train, column: Column, values: Values) -> Decision:
    """Whether the column that rows are sorted by is one of times, or of numbers that stand for them.

    Texts are taken for times, and refused by their row where they are none.

    Raises:
        InvalidJob: it is called a time, and is none.
    """
    if _holds_times_or_texts(column):
        return Decision("time", "dates or times")
    _, decision = _decided(spec, column, values)
    return decision if decision.kind == "time" else Decision("number", "numbers")


def _holds_times_or_texts(column: Column) -> bool:
    return not column.shape and column.dtype in ("time", "string")


def _number(spec: Train, column: Column, values: Values, *, wanted: bool) -> LearnedColumn:
    missing, decision = _decided(spec, column, values)
    if decision.kind == "time" and wanted:
        raise InvalidJob(
            f"a forecast is of numbers and from numbers, and column {column.name!r} holds dates: {decision.why}; name "
            f"a column of numbers, or set columns={{{column.name!r}: 'number'}} on the data if they are none"
        )
    if decision.kind == "time":
        return LearnedColumn(name=column.name, kind="ignore", why=f"{_NUMBERS_ONLY}, and {decision.why}")
    if decision.kind == "ignore" and not wanted:
        return LearnedColumn(name=column.name, kind="ignore", why=decision.why, missing=missing)
    return LearnedColumn(name=column.name, kind="number", why="its past values are read", missing=missing)


def _decided(spec: Train, column: Column, values: Values) -> tuple[float, Decision]:
    """The share of a column of numbers that is missing, and its kind; the author's word tells dates from numbers."""
    stats = ColumnStats(column)
    stats.update(values)
    chosen = as_data(spec.data).columns.get(column.name)
    decision = decide(stats, chosen if chosen in ("number", "time") else None)
    return stats.missing / max(stats.rows, 1), decision


def _holds_numbers(column: Column) -> bool:
    return not column.shape and column.dtype.startswith(("bool", "int", "uint", "float"))
