"""What can be read of entries in Redis: one that something else than Stoker has written hides no other."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Entry = TypeVar("Entry", bound=BaseModel)


def readable(kind: type[Entry], raw: bytes | None) -> Entry | None:
    """An entry from its JSON; None if there is none, or none of ours."""
    try:
        return kind.model_validate_json(raw or b"")
    except ValidationError:
        return None


def all_readable(kind: type[Entry], answer: Iterable[bytes]) -> list[Entry]:
    """The entries of ours, in their order."""
    return [entry for raw in answer if (entry := readable(kind, raw))]


def number(raw: bytes | None) -> int | None:
    """A whole number from 0 on; None if there is none."""
    return int(raw) if raw and raw.isdigit() else None


def counts(answer: Mapping[bytes, bytes]) -> dict[str, int]:
    """The counts in a hash, by field."""
    return {
        field.decode(errors="replace"): count for field, raw in answer.items() if (count := number(raw)) is not None
    }
