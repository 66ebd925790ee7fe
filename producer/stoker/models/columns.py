"""The columns of a data set: target and features, what a column may be, and the texts that are values of its kind."""

import difflib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from ..errors import InvalidJob

ColumnKind = Literal[
    "number", "boolean", "category", "text", "time", "vector", "tokens", "tags", "image", "sequence", "ignore"
]
"""What is made of a column; "ignore" leaves it out."""
Scaling = Literal["standard", "robust", "quantile", "log"]
"""How numbers are scaled: by mean and standard deviation, median and quartiles, rank among training's, or logarithm."""
TARGET_NAMES = ("target", "label", "class", "y")
BOOLEAN_WORDS = (
    *(("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"), ("on", "off"), ("1", "0")),
    *(("wahr", "falsch"), ("ja", "nein"), ("j", "n"), ("vrai", "faux"), ("oui", "non")),
    *(("verdadero", "falso"), ("vero", "falso"), ("sí", "no"), ("sì", "no"), ("si", "no")),
)
"""The words for true and for false, also of German, French, Spanish and Italian tables; a column keeps to one pair, in
any case."""
_MEANINGS = {word: truth for pair in BOOLEAN_WORDS for word, truth in zip(pair, (True, False), strict=True)}
_ISO_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?)?|\d{8}|\d{4}-?\d\d)", re.ASCII
)
_OF_MONTH = re.compile(r"(\d{4})-?(\d\d)", re.ASCII)
# Digits alone are a date or a month only within these years: else they are a number or a key.
_DATED_YEARS = range(1900, 2101)


def boolean_of(text: str) -> bool | None:
    """What a conventional word for true or false means; None for any other text."""
    return _MEANINGS.get(text.strip().lower())


def time_of(text: str) -> datetime | None:
    """The moment of a text by ISO 8601, such as 2024-05-01, 2024-05-01 12:30 or 2024-05; None for others.

    Hyphens may lack: 20240501, 202405. A text without an offset is in UTC.
    """
    if not _ISO_TIME.fullmatch(text := text.strip()):
        return None
    month = _OF_MONTH.fullmatch(text)
    try:
        moment = datetime.fromisoformat(f"{month[1]}-{month[2]}-01" if month else text)
    except ValueError:
        return None
    if text.isdigit() and moment.year not in _DATED_YEARS:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def select_columns(
    columns: Sequence[str],
    target: str | Sequence[str] | None,
    features: Sequence[str] | None,
    ref: str,
    aside: Sequence[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The target columns and the feature columns of a data set.

    Args:
        target: one or several; None takes the only one with a conventional name.
        aside: columns that are neither, such as one with the weights of rows.

    Raises:
        InvalidJob: a column is missing, named twice, or both target and feature.
    """
    targets = (_conventional(columns, ref),) if target is None else (target,) if isinstance(target, str) else (*target,)
    others = (*targets, *aside)
    chosen = tuple(features) if features is not None else tuple(name for name in columns if name not in others)
    for name in (*others, *chosen):
        if name not in columns:
            raise InvalidJob(f"{ref} has no column {name!r}; it has {choices(name, columns)}")
    for name in targets:
        if name in chosen:
            raise InvalidJob(f"column {name!r} is the target and a feature at once; take it out of features")
    for name in aside:
        if name in targets or name in chosen:
            what = "the target" if name in targets else "a feature"
            raise InvalidJob(f"column {name!r} is {what}, and sample_weight at once; take it out of one of the two")
    for what, names in (("features", chosen), ("target", targets)):
        if len(set(names)) < len(names):
            raise InvalidJob(f"{what} names a column twice: {listed(names)}")
    if not chosen:
        raise InvalidJob(f"{ref} has no column besides the target {listed(targets)}; there is nothing to predict from")
    return targets, chosen


def _conventional(columns: Sequence[str], ref: str) -> str:
    candidates = [name for name in columns if name in TARGET_NAMES]
    if not candidates:  # as in records of pictures: image/class/label
        candidates = [name for name in columns if name.rpartition("/")[2] in TARGET_NAMES]
    if not candidates and {"image", "mask"} <= set(columns):
        candidates = ["mask"]
    if len(candidates) != 1:
        count = f"{len(candidates)} of them ({', '.join(candidates)})" if candidates else "none of them"
        raise InvalidJob(
            f"{ref} does not say which column to predict: expected exactly one named {', '.join(TARGET_NAMES)}, "
            f"found {count} among {listed(columns)}; set target"
        )
    return candidates[0]


def choices(name: str, columns: Sequence[str]) -> str:
    """The columns that there are where one is not, for a message, and which of them was likely meant."""
    by_letters = {column.strip().casefold(): column for column in columns}
    close = difflib.get_close_matches(name.strip().casefold(), by_letters, n=1)
    return listed(columns) + (f": did you mean {by_letters[close[0]]!r}?" if close else "")


def listed(names: Sequence[str]) -> str:
    """At most ten names, for a message."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(map(repr, names[:10])) or "nothing") + more
