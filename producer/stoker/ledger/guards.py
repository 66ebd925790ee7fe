"""Guards of models, and what they have refused."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from ..errors import InvalidJob
from ..models.guard import Guard
from ..redis.calls import Call, Steps, Word
from .keys import key
from .readable import all_readable, counts
from .scripts import script

MOST_ROWS = 1000
"""How many refused rows of a model are kept, the newest."""
_ALARM = "alarm_at"
_FIELDS = TypeAdapter(dict[str, JsonValue])


class RefusedRow(BaseModel):
    """A row of a request that a guard has refused, or whose answer it has.

    Attributes:
        version: the reference of the version that was asked.
        why: what was wrong.
        row: the row by the names of the model's inputs; text of more than a kilobyte is cut.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    version: str
    why: str
    row: str = ""


class Guarded(BaseModel):
    """A model's guard, and what it has refused.

    Attributes:
        guard: None where the model has none.
        counts: how many requests and answers it has refused, by reason.
        rows: the newest of these, up to 1,000, the newest first.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    guard: Guard | None = None
    counts: Mapping[str, int] = Field(default_factory=dict)
    rows: tuple[RefusedRow, ...] = ()


def put(model: str, guard: Guard) -> Call[bool]:
    """Set a model's guard, in the place of the one that it has."""
    return Call((model, guard.model_dump_json()), bool, script("guard_set"))


def drop(model: str) -> Call[bool]:
    """Take a model's guard away, with all that it has refused; returns whether there was one."""
    return Call((model, ""), bool, script("guard_set"))


def of(model: str) -> Call[Guard | None]:
    """The guard of a model; None if it has none.

    Raises:
        InvalidJob: it has one that cannot be read, so that nothing can be held against it.
    """

    def decode(answer: bytes | None) -> Guard | None:
        if answer is None:
            return None
        try:
            # What a later version can ask for besides is not looked at; all the rest is.
            fields = _FIELDS.validate_json(answer)
            return Guard.model_validate({name: fields[name] for name in fields.keys() & Guard.model_fields.keys()})
        except ValidationError:
            raise InvalidJob(
                f"the guard of {model} cannot be read, so requests are refused: something else than Stoker has written "
                f"to {key('guards')}, or a newer version; set it again, or `stoker models guard {model} --drop`"
            ) from None

    return Call(("HGET", key("guards"), model), decode)


def note(model: str, refused: Mapping[str, int], rows: Sequence[RefusedRow]) -> Call[None]:
    """Note what was refused.

    Args:
        refused: how many requests or answers, by reason.
        rows: the oldest first.
    """
    words: tuple[Word, ...] = (model, json.dumps(refused), MOST_ROWS, *(row.model_dump_json() for row in rows))
    return Call(words, lambda _: None, script("guard_note"))


def guarded(model: str, limit: int) -> Steps[Guarded]:
    """A model's guard, and the newest rows that it has refused."""
    guard: Guard | None = yield of(model)

    def decode(answer: Mapping[bytes, bytes]) -> dict[str, int]:
        return {name: count for name, count in counts(answer).items() if name != _ALARM}

    counted: dict[str, int] = yield Call(("HGETALL", key("guarded", model)), decode)

    def listed(answer: list[Any]) -> list[RefusedRow]:
        return all_readable(RefusedRow, answer)

    rows: list[RefusedRow] = yield Call(("LRANGE", key("guard_rows", model), 0, limit - 1), listed)
    return Guarded(model=model, guard=guard, counts=counted, rows=tuple(rows))
