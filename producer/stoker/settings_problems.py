"""Settings in messages: their values with passwords masked, and what is wrong with them."""

import difflib
from collections.abc import Container, Iterator, Mapping

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from .fleet.bounds import FleetSettings
from .models.retention import Retention
from .origins import as_text, origin_of
from .tenants import Quota
from .urls import masked

# What the tables of settings that are tables may have.
_TABLES: dict[str, type[BaseModel]] = {"tenants": Quota, "fleet": FleetSettings, "retention": Retention}


def shown(value: object, field: FieldInfo | None) -> str:
    """A printable value; fields without a repr may hold a password, which is masked."""
    if value in (None, (), {}):
        return "none"
    return as_text(value) if field is None or field.repr else masked(as_text(value))


def problems(error: ValidationError, fields: Mapping[str, FieldInfo], arguments: Container[str]) -> Iterator[str]:
    """A line for each invalid value: the setting, its value and its source, and what it should be."""
    for each in error.errors():
        yield _problem(each["loc"], each["type"], each["input"], each["msg"], fields, arguments)


def _problem(
    place: tuple[int | str, ...],
    kind: str,
    value: object,
    message: str,
    fields: Mapping[str, FieldInfo],
    arguments: Container[str],
) -> str:
    name = ".".join(part for part in place if isinstance(part, str) and part != "[key]")
    origin = origin_of(str(place[0]), arguments)
    if kind == "extra_forbidden":
        known = _TABLES[str(place[0])].model_fields if len(place) > 1 else fields
        [closest] = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0)
        return f"there is no setting {name} ({origin}); the closest one is {closest}"
    text = message.removeprefix("Value error, ")
    return f"{name} cannot be {shown(value, fields.get(name))!r} ({origin}): {text[0].lower()}{text[1:]}"
