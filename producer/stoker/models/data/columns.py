"""The columns of a data set: target and features."""

from collections.abc import Sequence
from typing import Literal

from ...errors import InvalidJob

ColumnKind = Literal["number", "boolean", "category", "text", "time", "vector", "tokens", "image", "sequence", "ignore"]
"""What is made of a column; "ignore" leaves it out."""
TARGET_NAMES = ("target", "label", "class", "y")


def select_columns(
    columns: Sequence[str], target: str | None, features: Sequence[str] | None, ref: str
) -> tuple[str, tuple[str, ...]]:
    """The target column and the feature columns of a data set.

    Raises:
        InvalidJob: a column is missing, named twice, or both target and feature.
    """
    if target is None:
        candidates = [name for name in columns if name in TARGET_NAMES]
        if len(candidates) != 1:
            count = f"{len(candidates)} of them ({', '.join(candidates)})" if candidates else "none of them"
            raise InvalidJob(
                f"{ref} does not say which column to predict: expected exactly one named {', '.join(TARGET_NAMES)}, "
                f"found {count} among {listed(columns)}; set target"
            )
        target = candidates[0]
    chosen = tuple(features) if features is not None else tuple(name for name in columns if name != target)
    for name in (target, *chosen):
        if name not in columns:
            raise InvalidJob(f"{ref} has no column {name!r}; it has {listed(columns)}")
    if target in chosen:
        raise InvalidJob(f"column {target!r} is the target and a feature at once; take it out of features")
    if len(set(chosen)) < len(chosen):
        raise InvalidJob(f"features names a column twice: {listed(chosen)}")
    if not chosen:
        raise InvalidJob(f"{ref} has no column besides the target {target!r}; there is nothing to predict from")
    return target, chosen


def listed(names: Sequence[str]) -> str:
    """At most ten names, for a message."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(map(repr, names[:10])) or "nothing") + more
