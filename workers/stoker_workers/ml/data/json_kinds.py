"""Kinds of JSON values, by which a column's type is decided."""

from collections.abc import Mapping
from typing import Any

_INT64 = range(-(2**63), 2**63)
MEMBERS = {
    "text": ("text",), "bool": ("bool",), "number": ("whole", "huge", "float"), "numbers": ("numbers",),
    "texts": ("texts",), "other": ("other",),
}  # fmt: skip
SCALARS = {"text", "bool", "number"}


def merged(kinds: Mapping[str, int]) -> dict[str, int]:
    """Kinds of values with whole numbers and others as one."""
    counts = {name: sum(kinds.get(kind, 0) for kind in members) for name, members in MEMBERS.items()}
    return {name: count for name, count in counts.items() if count}


def kind_of(value: Any) -> str:
    """A value's kind: a member of `MEMBERS`, "null", or "empty", which is a list of numbers or of texts.

    "huge" is a whole number that no column of numbers holds.
    """
    match value:
        case None:
            return "null"
        case str():
            return "text"
        case bool():
            return "bool"
        case int():
            return "whole" if value in _INT64 else "huge"
        case float():
            return "float"
        case list():
            kinds = {kind_of(entry) for entry in value}
            if kinds <= {"whole", "huge", "float"}:
                return "numbers" if kinds else "empty"
            return "texts" if kinds <= {"text", "null"} else "other"
    return "other"
