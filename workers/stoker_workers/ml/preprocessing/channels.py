"""The columns of a table that a forecast is made from."""

from collections.abc import Iterator, Mapping

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.kinds.forecast import Forecast
from stoker.models.data import choices
from stoker.models.manifest import LearnedColumn

from ..columns.kinds import decide
from ..columns.stats import ColumnStats
from ..data import Column, Source, Values


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
    if not holds_times(time) and not _holds_numbers(time):
        raise InvalidJob(f"time names column {time.name!r}, which holds neither times nor numbers; name another one")


def learned_columns(
    spec: Train, asked: Forecast, source: Source, table: Mapping[str, Values]
) -> Iterator[LearnedColumn]:
    """What is made of each column but the time and the series.

    Raises:
        InvalidJob: the target, or a feature that is named, holds no numbers.
    """
    for column in source.columns:
        if column.name in (asked.time, asked.series):
            continue
        wanted = column.name in (spec.target, *(spec.features or ()))
        if not _holds_numbers(column):
            if wanted:
                raise InvalidJob(
                    f"a forecast is of numbers and from numbers, and column {column.name!r} holds others; name a "
                    "column of numbers, or correct the cells that are none"
                )
            yield LearnedColumn(name=column.name, kind="ignore", why="a forecast reads numbers only")
        elif spec.features is not None and not wanted:
            yield LearnedColumn(name=column.name, kind="ignore", why="features does not name it")
        else:
            yield _number(column, table[column.name], wanted=wanted)


def holds_times(column: Column) -> bool:
    """Whether a column holds times, or texts that may be some."""
    return not column.shape and column.dtype in ("time", "string")


def _number(column: Column, values: Values, *, wanted: bool) -> LearnedColumn:
    stats = ColumnStats(column)
    stats.update(values)
    decision, missing = decide(stats), stats.missing / max(stats.rows, 1)
    if decision.kind == "ignore" and not wanted:
        return LearnedColumn(name=column.name, kind="ignore", why=decision.why, missing=missing)
    return LearnedColumn(name=column.name, kind="number", why="its past values are read", missing=missing)


def _holds_numbers(column: Column) -> bool:
    return not column.shape and column.dtype.startswith(("bool", "int", "uint", "float"))
