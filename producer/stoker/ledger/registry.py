"""The model registry: immutable versions of named models, and aliases that point at them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from ..errors import ModelNotFound
from ..kinds.problems import short
from ..models.manifest import ModelVersion
from ..redis.calls import Call, Script
from .keys import key, lua_tables
from .readable import readable
from .scripts import versions as versions_lua

_REF = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]{0,63})(?:@(?P<pick>[a-z0-9][a-z0-9._-]{0,31}))?")

# Stands before a job's id where the model that it makes is meant.
JOB_MODEL = "job:"

# Something else may have written to the record of a model.
_IS_HASH = """
local function is_hash(key)
  local kind = redis.call('TYPE', key).ok
  return kind == 'hash' or kind == 'none'
end
local function hash(key)
  return is_hash(key) and redis.call('HGETALL', key)
end
"""
_RESOLVE = Script(
    versions_lua()
    + _IS_HASH
    + """
-- ARGV: name, number or alias, … Answers {the version's JSON or false, {alias, number, …}, note or false} for each; no
-- JSON where something else has written there.
local answer = {}
for n = 1, #ARGV, 2 do
  local name, pick = ARGV[n], ARGV[n + 1]
  if is_hash(KEY.model .. name) and is_hash(KEY.aliases .. name) then
    local aliases = redis.call('HGETALL', KEY.aliases .. name)
    local newest = pick == 'latest' and newest_number(name)
    local number = newest or redis.call('HGET', KEY.aliases .. name, pick) or pick
    local note = is_hash(KEY.notes .. name) and redis.call('HGET', KEY.notes .. name, number)
    answer[#answer + 1] = { redis.call('HGET', KEY.model .. name, number), aliases, note }
  else
    answer[#answer + 1] = { 'of another type than a hash', {}, false }
  end
end
return answer
"""
)
_COUNT = Script(
    lua_tables()
    + _IS_HASH
    + """
-- How many versions a model has had; -1 where its record is of a wrong type. ARGV: its name
local model, aliases = KEY.model .. ARGV[1], KEY.aliases .. ARGV[1]
return is_hash(model) and is_hash(aliases) and redis.call('HLEN', model) or -1
"""
)
_ALL = Script(
    lua_tables()
    + _IS_HASH
    + """
-- Answers {name, {number, JSON, …} or false where it is no hash, {alias, number, …}, {number, note, …}} of every model.
local answer = {}
for n, name in ipairs(redis.call('SMEMBERS', KEY.models)) do
  answer[n] = { name, hash(KEY.model .. name), hash(KEY.aliases .. name) or {}, hash(KEY.notes .. name) or {} }
end
return answer
"""
)
SCRIPTS = (_RESOLVE, _COUNT, _ALL)
# What stands in the place of a removed version: see versions.lua.
_REMOVED = b'{"removed_at":'


class _Removal(BaseModel):
    removed_at: datetime
    by: str
    why: Literal["asked", "retention"]


_WHY = {"asked": "who asked for it", "retention": "which keeps fewer versions ([retention] in its settings)"}


CheckVersion = Callable[[str, bytes], None]


def _believed(_ref: str, _document: bytes) -> None:
    """Nothing is held against a version."""


def resolve(ref: str, check: CheckVersion = _believed) -> Call[ModelVersion]:
    """The version behind "name" (its champion), "name@3", "name@alias" or "name@latest".

    Args:
        check: takes its exact reference and its JSON, and raises what it has against them.

    Raises:
        ModelNotFound: no such model, version or alias.
    """
    call = resolve_all([ref], check)
    return Call(call.words, lambda answer: call.decode(answer)[0], call.script)


def resolve_all(refs: Sequence[str], check: CheckVersion = _believed) -> Call[list[ModelVersion]]:
    """The versions behind several references, in their order; raises what `resolve` does."""
    names = [_split(ref) for ref in refs]

    def decode(answer: list[Any]) -> list[ModelVersion]:
        return [_checked(check, name, pick, *record) for (name, pick), record in zip(names, answer, strict=True)]

    return Call(tuple(word for pair in names for word in pair), decode, _RESOLVE)


def led_to(versions: Mapping[str, ModelVersion]) -> str:
    """What references led to, as intake.lua takes it: {name, alias or number, number, the job that has made it}."""
    return json.dumps([(*_split(ref), str(version.version), version.job) for ref, version in versions.items()])


def _split(ref: str) -> tuple[str, str]:
    match = _REF.fullmatch(ref)
    if match is None:
        raise ModelNotFound(f"{short(ref)} is no model reference: expected name, name@3 or name@alias, in lower case")
    return match["name"], match["pick"] or "champion"


def _checked(
    check: CheckVersion, name: str, pick: str, raw: bytes | None, aliases: list[bytes], note: bytes | None
) -> ModelVersion:
    if raw is not None and raw.startswith(_REMOVED):
        removal = readable(_Removal, raw)
        how = f" at {removal.removed_at:%Y-%m-%d %H:%M} UTC by {removal.by}, {_WHY[removal.why]}" if removal else ""
        raise ModelNotFound(f"{name}@{pick} was removed{how}: `stoker models list` shows the versions that there are")
    if raw is None:
        known = sorted(alias.decode() for alias in aliases[::2])
        hint = (
            f"its aliases are {', '.join(known)}, and `stoker models list` shows all versions"
            if known
            else "train it first; `stoker models list` shows all"
        )
        raise ModelNotFound(f"there is no model {name}@{pick}: {hint}")
    version = _version(raw, aliases, note)
    numbers = dict(zip(aliases[::2], aliases[1::2], strict=True))
    number = pick if pick.isdigit() else numbers.get(pick.encode(), str(version.version).encode()).decode()
    check(f"{name}@{number}", raw)
    return version


def next_number(name: str) -> Call[int]:
    """The number that the model's next version will have, if no other comes first.

    Raises:
        ModelNotFound: something else has written to the model's record.
    """

    def decode(count: int) -> int:
        if count < 0:
            raise ModelNotFound(
                f"the record of model {name!r} is damaged, it is of another type than a hash: delete "
                f"{key('model', name)} and {key('aliases', name)} in Redis, or register under another name"
            )
        return count + 1

    return Call((name,), decode, _COUNT)


@dataclass(frozen=True)
class Damaged:
    """A record that something else has written to.

    Attributes:
        ref: the version whose record it is, or the model where all of it is no record.
        reason: what is wrong with it.
    """

    ref: str
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """Every version of every model, by name, the newest version first; and what cannot be read."""

    versions: list[ModelVersion]
    damaged: list[Damaged]


def catalogue() -> Call[Catalogue]:
    """Read all of the registry; one damaged record does not hide the others."""

    def decode(answer: list[Any]) -> Catalogue:
        versions: list[ModelVersion] = []
        damaged: list[Damaged] = []
        for name, records, aliases, noted in answer:
            model = name.decode(errors="replace")
            notes = dict(zip(noted[::2], noted[1::2], strict=True))
            if records is None:
                damaged.append(Damaged(model, f"the record of model {model!r} is of another type than a hash"))
                continue
            for number, raw in zip(records[::2], records[1::2], strict=True):
                if raw.startswith(_REMOVED):
                    continue
                try:
                    versions.append(_version(raw, aliases, notes.get(number)))
                except ModelNotFound as error:
                    ref = f"{model}@{number.decode(errors='replace')}"
                    damaged.append(Damaged(ref, f"{ref}: {error.message}"))
        return Catalogue(
            sorted(versions, key=lambda version: (version.name, -version.version)),
            sorted(damaged, key=lambda record: record.ref),
        )

    return Call((), decode, _ALL)


@dataclass(frozen=True)
class Record:
    """A version as it is written: the model whose version it is, its number, its JSON."""

    model: str
    number: str
    raw: bytes


def records() -> Call[list[Record]]:
    """Every version of every model as it is written, also one that cannot be read."""

    def decode(answer: list[Any]) -> list[Record]:
        return [
            Record(name.decode(errors="replace"), number.decode(errors="replace"), raw)
            for name, of_model, *_ in answer
            for number, raw in zip((of_model or [])[::2], (of_model or [])[1::2], strict=True)
            if not raw.startswith(_REMOVED)
        ]

    return Call((), decode, _ALL)


def versions() -> Call[list[ModelVersion]]:
    """Every version that can be read, as `catalogue` lists them."""
    call = catalogue()
    return Call(call.words, lambda answer: call.decode(answer).versions, call.script)


def read_version(raw: str | bytes) -> ModelVersion:
    """A version from its JSON, without its aliases.

    Raises:
        ModelNotFound: something else has written to its record.
    """
    try:
        return ModelVersion.model_validate_json(raw)
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, flaw["loc"]))
        raise ModelNotFound(f"the record of a model is damaged, at {where or 'all of it'}: {flaw['msg']}") from None


def _version(raw: bytes, aliases: list[bytes], note: bytes | None) -> ModelVersion:
    version = read_version(raw)
    pairs = zip(aliases[::2], aliases[1::2], strict=True)
    here = tuple(sorted(alias.decode() for alias, number in pairs if number == str(version.version).encode()))
    return version.model_copy(update={"aliases": here, "note": (note or b"").decode(errors="replace")})
