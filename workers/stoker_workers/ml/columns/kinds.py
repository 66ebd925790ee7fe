"""What kind a column is: the first rule that fits its statistics, or the word of the user."""

import re
from collections.abc import Callable
from dataclasses import replace

from stoker.models.data import ColumnKind

from .codes import code_counts, is_balanced
from .content import (
    content,
    count_text,
    holds_months,
    holds_times,
    holds_tokens,
    is_boolean,
    is_number,
    is_plain,
    may_be_no_times,
    quoted,
    range_text,
    shape_text,
    word,
)
from .decision import LEAST_KEYS, Decision, as_chosen, use
from .places import hashed_text, shared_tags
from .stand_ins import stand_in
from .stats import ColumnStats

MOST_CATEGORIES = 10_000
"""More are taken for categories only with a warning."""

# Words in a name that make its column a key. Index columns of table tools have names of their own.
_KEY_WORDS = frozenset({"id", "ids", "uuid", "guid", "zip", "zipcode", "postcode", "postal", "code", "phone"})
_INDEX_NAME = re.compile(r"|index|Unnamed: \d+|__index_level_\d+__|Row ?(Number|ID)", re.IGNORECASE)
_NAME_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# A key that repeats more often than this tells something of its rows: a zone, a vendor.
_KEY_SHARE = 0.05
_LEAST_INDEX_ROWS = 20
# In any order, and not from 0 or 1 on as ranks are, so many fill a range only if somebody has numbered the rows.
_LEAST_SHUFFLED_ROWS = 100
_YEARS = (1500, 2200)
_TIME_WORDS = frozenset(
    {"year", "quarter", "month", "week", "day", "date", "hour", "minute", "second", "time", "period", "step", "t"}
)
# Codes: how many of any shares, and how many that are balanced; rows for each.
_MOST_CODES, _MOST_BALANCED_CODES, _CODE_ROWS = 5, 50, 5
# Consecutive small numbers up to here may be codes as well as amounts.
_MOST_DOUBTFUL = 20
# A text has so many words, and so large a share and number of its values differ.
_TEXT_WORDS, _TEXT_SHARE, _LEAST_TEXTS = 3, 0.15, 9
_KEY_TEXT_SHARE, _KEY_TEXT_WORDS = 0.95, 2


Rule = Callable[[ColumnStats], Decision | None]


def decide(stats: ColumnStats, chosen: ColumnKind | None = None) -> Decision:
    """The kind of a column: the chosen one, or that of the first rule which fits.

    Raises:
        InvalidJob: the column cannot be of the chosen kind.
    """
    decision = as_chosen(stats, chosen) if chosen is not None else _by_rule(stats)
    if decision.kind == "number":
        return replace(decision, warning=decision.warning or stand_in(stats))
    return replace(decision, why=decision.why + hashed_text(stats)) if decision.kind == "category" else decision


def _by_rule(stats: ColumnStats) -> Decision:
    return next(decision for rule in _RULES if (decision := rule(stats)))


def _empty(stats: ColumnStats) -> Decision | None:
    if stats.present:
        return None
    return Decision("ignore", f"it has no value in any of {stats.rows:,} rows")


def _unlearnable(stats: ColumnStats) -> Decision | None:
    column = stats.column
    if column.dtype in ("time", "list") or (column.learnable and not (column.dtype == "string" and column.shape)):
        return None
    return Decision("ignore", f"it holds {content(stats)}, of which nothing can be learned")


def _file(stats: ColumnStats) -> Decision | None:
    match stats.column.role:
        case "file":
            return Decision("ignore", "it names the files")
        case "about":
            return Decision("ignore", "it is about the picture beside it, and may tell what the picture is")
    return None


def _constant(stats: ColumnStats) -> Decision | None:
    if not is_plain(stats) or len(stats.distinct.counts) > 1:
        return None
    told = f"it is {quoted(stats)} in every row"
    if not stats.missing:
        return Decision("ignore", told)
    gaps = f"but where it is missing ({stats.missing:,} of {stats.rows:,}), which may tell something"
    return Decision("ignore", f"{told} {gaps}; {use(stats, 'category')}")


def _array(stats: ColumnStats) -> Decision | None:
    column = stats.column
    match column.shape:
        case ():
            return None
        case _ if column.role == "picture":
            return Decision("image", f"pictures of {shape_text(stats)}")
        case (_,):
            return Decision("vector", f"{column.shape[0]} numbers in every row")
        case (_, _) if column.dtype != "uint8":
            told = f"{column.shape[0]} steps of {column.shape[1]} numbers in every row"
            square = column.shape[0] == column.shape[1]
            return Decision("sequence", told, f"if it is an image, {use(stats, 'image')}" if square else None)
        case (_, _) | (_, _, _):
            return Decision("image", f"an array of {shape_text(stats)} in every row")
        case _:
            return Decision("vector", f"an array of {shape_text(stats)} in every row")


def _list(stats: ColumnStats) -> Decision | None:
    if stats.column.dtype != "list":
        return None
    if stats.distinct.counts:
        return Decision("tags", f"lists of {count_text(stats)} different texts{shared_tags(stats)}")
    if not stats.moments.count.any():
        return Decision("ignore", "each of its lists is empty")
    if holds_tokens(stats):
        return Decision("tokens", "lists of whole numbers")
    return Decision("sequence", "lists of numbers")


def _boolean(stats: ColumnStats) -> Decision | None:
    if not is_boolean(stats):
        return None
    return Decision("boolean", f"only {' and '.join(sorted(map(word, stats.distinct.counts)))}")


def _time(stats: ColumnStats) -> Decision | None:
    if stats.column.dtype == "time":
        return Decision("time", "dates or times")
    if not holds_times(stats) or may_be_no_times(stats):
        return None
    is_text, are_months = stats.column.dtype == "string", holds_months(stats)
    what = "months" if are_months else "dates or times" if is_text else "dates"
    told = f"its {'texts' if is_text else 'numbers'} are {what}, such as {quoted(stats)}"
    other = f"if not, {use(stats, 'category' if is_text else 'number')}"
    return Decision("time", told, other if are_months or not is_text else None)


def _fraction(stats: ColumnStats) -> Decision | None:
    if not is_number(stats) or stats.whole:
        return None
    return Decision("number", "it has fractions")


def _index(stats: ColumnStats) -> Decision | None:
    """Numbers that only count or name the rows."""
    if not is_number(stats):
        return None
    if _INDEX_NAME.fullmatch(stats.column.name):
        return Decision("ignore", f"an index, by its name; {use(stats, 'number')}")
    counting = stats.counting
    if counting.rows < _LEAST_INDEX_ROWS or not _numbers_rows(stats):
        return None
    told = f"an index: {quoted(stats)} and so on, row by row; {use(stats, 'number')}"
    if counting.low in (0, 1):
        return Decision("ignore", told) if counting.ordered else None  # in another order, it may be a rank
    if _may_be_times(stats) or _is_named_key(stats.column.name):
        return None
    if counting.ordered:
        return Decision("ignore", told)
    if counting.rows < _LEAST_SHUFFLED_ROWS:
        return None
    return Decision("ignore", f"an index: each of the whole numbers {range_text(stats)} once; {use(stats, 'number')}")


def _like_an_index(stats: ColumnStats) -> Decision | None:
    """Numbers that may count the rows, and tell something as well: ranks, years."""
    if not is_number(stats) or stats.counting.rows < _LEAST_INDEX_ROWS or not _numbers_rows(stats):
        return None
    told = "each comes once, as in an index; if it is one"
    return Decision("number", f"whole numbers {range_text(stats)}", f"{told}, {use(stats, 'ignore')}")


def _numbers_rows(stats: ColumnStats) -> bool:
    """Whether each whole number of a range comes once."""
    return stats.counting.fills_its_range and stats.distinct.share == 1


def _may_be_times(stats: ColumnStats) -> bool:
    """Whether numbers that go on row by row may be the time of each, by their name or as years."""
    is_years = stats.counting.low >= _YEARS[0] and stats.counting.high <= _YEARS[1]
    return is_years or not _TIME_WORDS.isdisjoint(_words_of(stats.column.name))


def _key(stats: ColumnStats) -> Decision | None:
    """Numbers or texts that name something, by the column's own name."""
    if not _is_named_key(stats.column.name) or stats.words >= _TEXT_WORDS:
        return None
    distinct = len(stats.distinct.counts)
    if stats.distinct.share <= _KEY_SHARE:
        return Decision("category", f"a key, by its name, of {count_text(stats)} values that repeat")
    if distinct <= LEAST_KEYS:
        return None
    return Decision(
        "ignore",
        f"a key, by its name: {count_text(stats)} of {stats.distinct.rows:,} values differ; {use(stats, 'category')}",
    )


def _code(stats: ColumnStats) -> Decision | None:
    """Whole numbers that stand for something: two others than 0 and 1, a few from 0 or 1, or all alike often."""
    if not is_number(stats):
        return None
    distinct, other = stats.distinct.counts, f"if they are amounts, {use(stats, 'number')}"
    if len(distinct) == 2:
        return Decision("category", f"only {' and '.join(sorted(map(word, distinct)))}", other)
    counts = code_counts(stats, _MOST_BALANCED_CODES)
    if counts is None:
        return None
    told = f"whole numbers {range_text(stats)}"
    if is_balanced(counts):
        return Decision("category", f"{told}, all about equally often", other)
    if len(counts) <= _MOST_CODES and stats.present >= _CODE_ROWS * len(counts):
        return Decision("category", told, other)
    return None


def _number(stats: ColumnStats) -> Decision | None:
    if not is_number(stats):
        return None
    doubtful = code_counts(stats, _MOST_DOUBTFUL) is not None
    other = f"if they are codes, {use(stats, 'category')}" if doubtful else None
    return Decision("number", f"whole numbers {range_text(stats)}", other)


def _text(stats: ColumnStats) -> Decision | None:
    distinct = stats.distinct
    if stats.words < _TEXT_WORDS or distinct.share <= _TEXT_SHARE or len(distinct.counts) <= _LEAST_TEXTS:
        return None
    return Decision("text", f"{stats.words:.0f} words on average, {count_text(stats)} different texts")


def _key_text(stats: ColumnStats) -> Decision | None:
    """Texts of which hardly one comes twice: keys, or short texts."""
    distinct = stats.distinct
    if len(distinct.counts) <= LEAST_KEYS or distinct.share < _KEY_TEXT_SHARE:
        return None
    told = f"{count_text(stats)} of {distinct.rows:,} values differ"
    if stats.words < _KEY_TEXT_WORDS:
        return Decision("ignore", f"a key: {told}; {use(stats, 'category')}")
    return Decision("text", f"{stats.words:.0f} words on average, {told}")


def _category(stats: ColumnStats) -> Decision:
    count = len(stats.distinct.counts)
    many = count > MOST_CATEGORIES
    other = f"they are so many that most tell nothing; {use(stats, 'text')} for its words" if many else None
    return Decision("category", f"{count_text(stats)} different values", other)


_RULES: tuple[Rule, ...] = (
    _empty,
    _unlearnable,
    _file,
    _array,
    _list,
    _constant,
    _boolean,
    _time,
    _fraction,
    _index,
    _key,
    _like_an_index,
    _code,
    _number,
    _text,
    _key_text,
    _category,
)


def _is_named_key(name: str) -> bool:
    return not _KEY_WORDS.isdisjoint(_words_of(name))


def _words_of(name: str) -> set[str]:
    """The words of a column's name, such as order and id of orderID."""
    return {word.lower() for word in _NAME_WORD.findall(name)}
