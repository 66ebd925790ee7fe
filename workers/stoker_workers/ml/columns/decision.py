"""What is made of a column, the kinds that it can be, and the author's word for one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stoker.errors import InvalidJob
from stoker.models.data import ColumnKind

from .content import (
    content,
    count_text,
    holds_times,
    holds_tokens,
    is_array_of_numbers,
    is_boolean,
    is_list,
    is_number,
    is_text,
)
from .places import shared_tags
from .stats import ColumnStats

# As categories, so few values that differ throughout are nothing to speak of.
LEAST_KEYS = 20


@dataclass(frozen=True)
class Decision:
    """What is made of a column.

    Attributes:
        why: what in its values or its name says so.
        warning: what else is as well to be thought, and which setting says so; None if nothing.
    """

    kind: ColumnKind
    why: str
    warning: str | None = None


def as_chosen(stats: ColumnStats, chosen: ColumnKind) -> Decision:
    """What the author's word makes of a column.

    Raises:
        InvalidJob: the column cannot be that.
    """
    if chosen == "ignore":
        return Decision("ignore", "as columns says")
    if chosen not in (possible := [kind for kind, fits in _FITS.items() if fits(stats)]):
        raise InvalidJob(
            f"column {stats.column.name!r} cannot be {NOUNS[chosen]}: it holds {content(stats)}; correct its "
            f"values, or choose {' or '.join([*possible, 'ignore'])} for it in columns"
        )
    why = "as columns says" + (shared_tags(stats) if chosen == "tags" else "")
    return Decision(chosen, why, _objection(stats, chosen))


def _objection(stats: ColumnStats, chosen: ColumnKind) -> str | None:
    distinct = stats.distinct
    if chosen == "category" and not distinct.complete:
        return f"it has more than {len(distinct.counts):,} values: those that come up late share places by hash"
    if chosen == "category" and distinct.share > 0.5 and len(distinct.counts) > LEAST_KEYS:
        told = "as categories they tell next to nothing of other rows"
        return f"{count_text(stats)} of {distinct.rows:,} values differ: {told}"
    return None


_FITS: Mapping[ColumnKind, Callable[[ColumnStats], bool]] = MappingProxyType(
    {
        "number": is_number,
        "boolean": is_boolean,
        "category": lambda stats: is_number(stats) or is_text(stats),
        "text": is_text,
        "time": lambda stats: stats.column.dtype == "time" or holds_times(stats),
        "vector": is_array_of_numbers,
        "tokens": lambda stats: (
            holds_tokens(stats) and (is_list(stats) or (is_array_of_numbers(stats) and len(stats.column.shape) == 1))
        ),
        "tags": lambda stats: is_list(stats) and bool(stats.distinct.counts),
        "image": lambda stats: is_array_of_numbers(stats) and len(stats.column.shape) in (2, 3),
        "sequence": lambda stats: (
            (is_list(stats) and not stats.distinct.counts)
            or (is_array_of_numbers(stats) and len(stats.column.shape) <= 2)
        ),
    }
)
NOUNS: Mapping[ColumnKind, str] = MappingProxyType(
    {
        "number": "a number",
        "boolean": "a boolean",
        "category": "a category",
        "text": "a text",
        "time": "a time",
        "vector": "a vector",
        "tokens": "tokens",
        "tags": "tags",
        "image": "an image",
        "sequence": "a sequence",
    }
)


def use(stats: ColumnStats, kind: ColumnKind) -> str:
    """How to say otherwise."""
    does = "leaves it out" if kind == "ignore" else f"makes it {NOUNS[kind]}"
    return f"columns={{{stats.column.name!r}: {kind!r}}} {does}"
