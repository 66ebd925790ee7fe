"""From what is known of a column of text to its type."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stoker.errors import InvalidJob

from .dates import PATTERNS
from .evidence import Evidence, Place
from .numerals import DECIMALS, Form
from .source import ColumnType

Where = Callable[[Place], str]
"""Names a cell's file and line, for messages."""
Dtype = Literal["int64", "float64", "bool", "string", "time"]

# Where at most this share of a column's cells are no numbers, they are taken for errors, and are not read as words.
_STRAYS = 0.1
_STRAY_TIMES = 0.05
_MOSTLY = 0.5
_OFTEN = 0.3
# The forms that are whole numbers with groups under each decimal mark.
_WHOLE: dict[str, tuple[Form, ...]] = {".": ("comma or groups", "commas"), ",": ("point or groups", "points")}
_SHOWN = 40


@dataclass(frozen=True)
class Plan:
    """How a column's cells become values.

    Attributes:
        decimal: the decimal mark of its numbers.
        pattern: of its times.
        gaps: how many cells are missing.
        note: what is to be said of the choice; "" for nothing.
    """

    name: str
    dtype: Dtype
    decimal: str = "."
    pattern: str = ""
    gaps: int = 0
    note: str = ""

    @property
    def dtype_of_column(self) -> str:
        """That of the values: booleans with gaps are numbers."""
        return "float64" if self.dtype == "bool" and self.gaps else self.dtype


@dataclass(frozen=True)
class Rules:
    """What decides where a column's cells alone do not.

    Attributes:
        where: names a cell's place.
        stated: the decimal mark by the user.
        voted: the decimal mark of the columns that admit only one.
        usual: the decimal mark where nothing decides: a file separated by commas does not have decimal commas, one
            separated by semicolons may have either.
        has_groups: whether numbers may have marks of groups of three digits.
    """

    where: Where
    stated: str | None = None
    voted: str | None = None
    usual: Literal[".", ""] = "."
    has_groups: bool = True


def vote(columns: Sequence[Evidence]) -> str | None:
    """The decimal mark on which all columns of numbers agree that admit only one."""
    votes = {
        decimal
        for column in columns
        for decimal, other in ((".", ","), (",", "."))
        if column.sure(decimal) > column.sure(other) and column.numbers(decimal) >= (1 - _STRAYS) * column.present
    }
    return votes.pop() if len(votes) == 1 else None


def plan(column: Evidence, wanted: ColumnType | None, rules: Rules, *, is_text: bool = False) -> Plan:
    """Choose a column's type.

    Args:
        wanted: the type, if it is known.
        is_text: whether the user says that it holds no numbers, so that no cell is amiss.

    Raises:
        InvalidJob: a few cells are not of the type of all others, or nothing decides what they mean.
    """
    text = Plan(column.name, "string", gaps=sum(column.missing.values()))
    if wanted == "string" or (is_text and wanted is None and not _is_clean(column)):
        return text
    if wanted == "bool":
        return replace(text, dtype="bool", gaps=text.gaps + sum(column.weak.values()))
    if wanted == "time":
        return _times(column, rules, text) or _dated_numbers(column, rules) or _only_times(column, rules, text)
    if not column.present and wanted is None:
        return replace(text, dtype="string" if column.weak else "float64")
    number = _numbers(column, wanted, rules)
    return number or _times(column, rules, text) or replace(text, note=_why_text(column, rules))


def _is_clean(column: Evidence) -> bool:
    return any(column.numbers(decimal) == column.present for decimal in ".,") and column.present > 0


def _numbers(column: Evidence, wanted: ColumnType | None, rules: Rules) -> Plan | None:
    """The plan of a column of numbers; None if it is none."""
    decimal = _decimal(column, rules)
    codes = column.forms["leading zero"] + column.forms["huge"]
    numbers = column.numbers(decimal or ".")
    if wanted == "number":
        numbers += codes
    elif not numbers or codes or column.present - numbers > _STRAYS * column.present:
        return None
    if decimal is None:
        raise _undecided(column, rules)
    if numbers < column.present:
        raise _stray(column, decimal, rules)
    if numbers == column.forms["infinite"] and wanted is None:
        return None
    said = [_unit(column, numbers, rules) or _ambiguous(column, decimal), _negated(column)]
    gaps = sum(column.missing.values()) + sum(column.weak.values())
    is_whole = numbers == sum(column.forms[form] for form in ("whole", "groups", *_WHOLE[decimal]))
    if is_whole and gaps and column.beyond and wanted is None:
        return Plan(column.name, "string", gaps=sum(column.missing.values()), note=too_long(column.name, column.beyond))
    dtype: Dtype = "int64" if is_whole and not gaps else "float64"
    return Plan(column.name, dtype, decimal, gaps=gaps, note="; ".join(filter(None, said)))


def too_long(name: str, number: object) -> str:
    """What is said of a column of whole numbers that is read as text, for float64 would make one of two of them."""
    return (
        f"{name}: read as text, for {number} has more digits than numbers beside gaps can hold; set "
        f"columns={{{name!r}: 'number'}} to round such ones"
    )


def _decimal(column: Evidence, rules: Rules) -> str | None:
    """The decimal mark of a column's numbers; None if nothing decides."""
    forms = column.forms
    if rules.stated:
        return rules.stated
    if column.sure(".") != column.sure(","):
        return "." if column.sure(".") > column.sure(",") else ","
    points, commas = forms["point or groups"], forms["comma or groups"]
    if not points and not commas:
        return "."
    if not rules.has_groups:
        return None if points and commas else "." if points else ","
    if rules.voted:
        return rules.voted
    # Beside whole numbers, cells that all have three decimals are rather groups, of which those below 1000 have none.
    return None if points and forms["whole"] else rules.usual or None


def _ambiguous(column: Evidence, decimal: str) -> str:
    """What is to be said of numbers that could be read in two ways, where the column itself does not decide."""
    if column.sure(".") or column.sure(","):
        return ""
    for form in ("point or groups", "comma or groups"):
        if form in column.first:
            meaning = "the mark of groups of three digits" if form in _WHOLE[decimal] else "a decimal mark"
            mark = "." if form == "point or groups" else ","
            return f"{column.name}: {_quoted(column.first[form].cell)} is read with {mark!r} as {meaning}"
    return ""


def _negated(column: Evidence) -> str:
    place = column.first.get("negated")
    return f"{column.name}: {_quoted(place.cell)} is read as a number below zero" if place else ""


def _undecided(column: Evidence, rules: Rules) -> InvalidJob:
    place = next(column.first[form] for form in ("point or groups", "comma or groups") if form in column.first)
    digits = place.cell.replace(".", "").replace(",", "")
    return InvalidJob(
        f"{rules.where(place)}, column {column.name!r}: {_quoted(place.cell)} may be {digits} or "
        f"{place.cell.replace(',', '.')}, and nothing in the file decides; set decimal='.' or decimal=','"
    )


def _stray(column: Evidence, decimal: str, rules: Rules) -> InvalidJob:
    place = _first_stray(column, decimal)
    return _misfit(column, place, f"no number (the decimal mark is {decimal!r})", rules)


def _first_stray(column: Evidence, decimal: str) -> Place:
    """The first cell that is no number under a decimal mark, of a column that has some."""
    forms = column.first.keys() - DECIMALS[decimal] - column.signs.keys() - {"weak", "negated"}
    return min((column.first[form] for form in forms), key=lambda place: (place.url, place.row))


def _misfit(column: Evidence, place: Place, what: str, rules: Rules) -> InvalidJob:
    return InvalidJob(
        f"{rules.where(place)}, column {column.name!r}: {_quoted(place.cell)} is {what}, which others of its "
        f"{column.present:,} cells are; correct it, add it to missing, or set columns={{{column.name!r}: 'category'}}"
    )


def _unit(column: Evidence, numbers: int, rules: Rules) -> str:
    """What is to be said of a unit that is left off.

    Raises:
        InvalidJob: not all numbers have the same.
    """
    if not column.signs:
        return ""
    most, count = column.signs.most_common(1)[0]
    if len(column.signs) > 1 or (most == "%" and count < numbers):
        least = min(column.signs.keys() - {most} or {most}, key=lambda sign: (column.signs[sign], sign))
        raise InvalidJob(
            f"{rules.where(column.first[least])}, column {column.name!r}: {_quoted(column.first[least].cell)} has "
            f"another unit than other cells of the column; write all in one"
        )
    return f"{column.name}: read without the {most!r} of its cells"


def _times(column: Evidence, rules: Rules, text: Plan) -> Plan | None:
    """The plan of a column of times; None if it is none."""
    if not column.times:
        return None
    day_first = ("month/day/year", "day/month/year") if rules.usual == "." else ("day/month/year", "month/day/year")
    order = {pattern: place for place, pattern in enumerate(day_first)}
    pattern, hits = max(column.times.items(), key=lambda item: (item[1], -order.get(item[0], 0)))
    if not hits or hits < (1 - _STRAY_TIMES) * column.present:
        return None
    if hits < column.present:
        raise _misfit(column, column.not_time(pattern), f"no time written as {pattern}", rules)
    note = f"{column.name}: read as times, written as {pattern}"
    if pattern in order and column.times[day_first[0]] == column.times[day_first[1]]:
        note += "; no cell tells which number is the day"
    return replace(text, dtype="time", pattern=pattern, gaps=text.gaps + sum(column.weak.values()), note=note)


def _dated_numbers(column: Evidence, rules: Rules) -> Plan | None:
    """The plan of a column of times that are all numbers such as 20240131: whoever uses them reads dates."""
    return _numbers(column, None, rules) if _is_clean(column) else None


def _only_times(column: Evidence, rules: Rules, text: Plan) -> Plan:
    """The plan of a column that must be one of times, and holds none."""
    if column.present:
        pattern = max(PATTERNS, key=lambda pattern: column.times[pattern])
        raise _misfit(column, column.not_time(pattern), f"no time written as {pattern}", rules)
    return replace(text, dtype="time", pattern="year-month-day", gaps=column.rows)


def _why_text(column: Evidence, rules: Rules) -> str:
    """What is to be said of a column of text that looks much like one of numbers, or of times."""
    decimal = max(".,", key=column.numbers)
    numbers = column.numbers(decimal)
    if "leading zero" in column.first and numbers + column.forms["leading zero"] == column.present:
        return f"{column.name}: read as text, for {_quoted(column.first['leading zero'].cell)} is a code, not a number"
    pattern = max(column.times, key=lambda pattern: column.times[pattern], default="")
    hits = column.times[pattern]
    if numbers >= _MOSTLY * column.present and numbers < column.present and numbers >= hits:
        place, what = _first_stray(column, decimal), f"numbers (the decimal mark is {decimal!r})"
    elif hits >= _OFTEN * column.present:
        numbers, place, what = hits, column.not_time(pattern), f"times written as {pattern}"
    else:
        return ""
    share = 100 * (1 - numbers / column.present)
    return (
        f"{column.name}: read as text, for {share:.0f} % of its cells are no {what}: {_quoted(place.cell)} in "
        f"{rules.where(place)}"
    )


def _quoted(cell: str) -> str:
    shown = cell if len(cell) <= _SHOWN else cell[: _SHOWN - 1] + "…"
    return '"' + "".join(character if character.isprintable() else "�" for character in shown) + '"'
