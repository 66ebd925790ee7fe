"""What a column's values are: tests of its statistics, and words for messages."""

from datetime import UTC, datetime, timedelta
from itertools import islice

from stoker.models.data import BOOLEAN_WORDS, time_of

from .stats import ColumnStats

_QUOTED = 30
# From here on a whole number is written with an exponent: it would have hundreds of digits.
_MOST_DIGITS = 1e15
# The ranges of dates that are written as numbers of eight digits, and of months of six.
_DATES = ((19_000_101, 21_001_231), (190_001, 210_012))
# Of six digits, one number in eight is a month by chance: so many, and so large a share of those between, are none.
_LEAST_MONTHS, _MONTHS_SHARE = 6, 0.5
_EPOCH, _UNIT = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def is_plain(stats: ColumnStats) -> bool:
    """Whether a row has one value."""
    return not stats.column.shape and stats.column.dtype != "list"


def is_number(stats: ColumnStats) -> bool:
    """Whether it has one number or boolean in a row."""
    return is_plain(stats) and stats.column.dtype not in ("string", "time") and stats.column.learnable


def is_text(stats: ColumnStats) -> bool:
    """Whether it has one text in a row."""
    return is_plain(stats) and stats.column.dtype == "string"


def is_boolean(stats: ColumnStats) -> bool:
    """Whether it has no other numbers than 0 and 1, or one conventional pair of words."""
    counts = stats.distinct.counts
    if is_number(stats):
        return 0 < len(counts) <= 2 and set(counts) <= {0, 1}
    if not is_text(stats) or not 2 <= len(counts) <= 2 * len(BOOLEAN_WORDS):
        return False
    words = {str(value).strip().lower() for value in counts}
    return any(words == set(pair) for pair in BOOLEAN_WORDS)


def holds_times(stats: ColumnStats) -> bool:
    """Whether all texts, or all whole numbers of eight or six digits, can be dates, months or times."""
    counts = stats.distinct.counts
    if is_number(stats):
        dated = any(low <= stats.moments.low and stats.moments.high <= high for low, high in _DATES)
        return stats.whole and dated and all(time_of(word(value)) for value in counts)
    return is_text(stats) and all(time_of(str(value)) for value in counts)


def may_be_no_times(stats: ColumnStats) -> bool:
    """Whether what can be months by its digits, such as 202412, is as well something else: it has few, or far apart."""
    if not holds_months(stats):
        return False
    months = {12 * (number // 100) + number % 100 for number in (int(word(value)) for value in stats.distinct.counts)}
    return len(months) < max(_LEAST_MONTHS, _MONTHS_SHARE * (max(months) - min(months) + 1))


def holds_months(stats: ColumnStats) -> bool:
    """Whether a column that can be one of times holds months of six digits alone."""
    return all(len(text := word(value).strip()) == len("202412") and text.isdigit() for value in stats.distinct.counts)


def time_range(stats: ColumnStats) -> tuple[float, float]:
    """The first and the last of a column of times, in µs since 1970, however they are written.

    Of texts, those are looked at that were counted as distinct.
    """
    if stats.column.dtype == "time":
        return stats.moments.low, stats.moments.high
    values = (stats.moments.low, stats.moments.high) if is_number(stats) else stats.distinct.counts
    moments = [moment for value in values if (moment := time_of(word(value)))]
    return (min(moments) - _EPOCH) / _UNIT, (max(moments) - _EPOCH) / _UNIT


def holds_tokens(stats: ColumnStats) -> bool:
    """Whether its arrays or lists hold whole numbers, none of which is negative."""
    return bool(stats.moments.count.any()) and stats.whole and stats.moments.low >= 0


def is_array_of_numbers(stats: ColumnStats) -> bool:
    """Whether it has an array of numbers in a row, of the same shape in each."""
    return bool(stats.column.shape) and stats.column.learnable and stats.column.dtype != "string"


def is_list(stats: ColumnStats) -> bool:
    """Whether it has a list in a row, as long as it likes."""
    return stats.column.dtype == "list"


def content(stats: ColumnStats) -> str:
    """What a column holds, for a message."""
    column = stats.column
    if column.dtype == "list":
        return f"lists of {'texts' if stats.distinct.counts else 'numbers'}"
    if column.shape:
        return f"arrays of {shape_text(stats)} ({column.dtype})"
    if column.dtype == "string":
        return f"text such as {quoted(stats)}"
    if column.dtype == "time":
        return f"times such as {quoted(stats)}"
    return f"numbers such as {quoted(stats)}" if column.learnable else column.dtype


def shape_text(stats: ColumnStats) -> str:
    """The shape of a row's array."""
    return " × ".join(map(str, stats.column.shape))


def count_text(stats: ColumnStats) -> str:
    """How many values differ."""
    more = "" if stats.distinct.complete else "more than "
    return f"{more}{len(stats.distinct.counts):,}"


def range_text(stats: ColumnStats) -> str:
    """The least and the largest of whole numbers."""
    return f"from {word(stats.moments.low)} to {word(stats.moments.high)}"


def quoted(stats: ColumnStats) -> str:
    """The first values."""
    values = [word(value) for value in islice(stats.distinct.counts, 3)]
    if stats.column.dtype == "string":
        values = [repr(value if len(value) <= _QUOTED else value[: _QUOTED - 1] + "…") for value in values]
    return ", ".join(values)


def word(value: object) -> str:
    """A value as text; a whole number without a point."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < _MOST_DIGITS
    return f"{value:.0f}" if is_whole else str(value)
