"""The model registry: immutable versions of named models, and aliases that point at them."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from .artifacts import ModelVersion
from .connection import Call, Script
from .errors import ModelNotFound
from .ledger.keys import key, lua_tables

_REF = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]{0,63})(?:@(?P<pick>[a-z0-9][a-z0-9._-]{0,31}))?")

# Stands before a job's id where the model that it makes is meant.
JOB_MODEL = "job:"

_RESOLVE = Script(
    lua_tables()
    + """
-- ARGV: name, number or alias, … Answers {the version's JSON or false, {alias, number, …}} for each.
local answer = {}
for n = 1, #ARGV, 2 do
  local name, pick = ARGV[n], ARGV[n + 1]
  local aliases = redis.call('HGETALL', KEY.aliases .. name)
  local number = redis.call('HGET', KEY.aliases .. name, pick) or pick
  answer[#answer + 1] = { redis.call('HGET', KEY.model .. name, number), aliases }
end
return answer
"""
)
_ALL = Script(
    lua_tables()
    + """
-- Answers {{JSON, …}, {alias, number, …}} of every model.
local answer = {}
for n, name in ipairs(redis.call('SMEMBERS', KEY.models)) do
  answer[n] = { redis.call('HVALS', KEY.model .. name), redis.call('HGETALL', KEY.aliases .. name) }
end
return answer
"""
)


def resolve(ref: str) -> Call[ModelVersion]:
    """The version behind "name" (its champion), "name@3" or "name@alias".

    Raises:
        ModelNotFound: no such model, version or alias.
    """
    call = resolve_all([ref])
    return Call(call.words, lambda answer: call.decode(answer)[0], call.script)


def resolve_all(refs: Sequence[str]) -> Call[list[ModelVersion]]:
    """The versions behind several references, in their order; raises what `resolve` does."""
    names = [_split(ref) for ref in refs]

    def decode(answer: list[Any]) -> list[ModelVersion]:
        return [_found(name, pick, *found) for (name, pick), found in zip(names, answer, strict=True)]

    return Call(tuple(word for pair in names for word in pair), decode, _RESOLVE)


def _split(ref: str) -> tuple[str, str]:
    match = _REF.fullmatch(ref)
    if match is None:
        raise ModelNotFound(f"{ref!r} is no model reference: expected name, name@3 or name@alias, in lower case")
    return match["name"], match["pick"] or "champion"


def _found(name: str, pick: str, raw: bytes | None, aliases: list[bytes]) -> ModelVersion:
    if raw is None:
        known = sorted(alias.decode() for alias in aliases[::2])
        hint = f"its aliases are {', '.join(known)}" if known else "train it first; `stoker models list` shows all"
        raise ModelNotFound(f"there is no model {name}@{pick}: {hint}")
    return _version(raw, aliases)


def next_number(name: str) -> Call[int]:
    """The number that the model's next version will have, if no other comes first."""
    return Call(("HLEN", key("model", name)), lambda count: int(count) + 1)


def versions() -> Call[list[ModelVersion]]:
    """Every version of every model, by name, the newest version first."""

    def decode(answer: list[Any]) -> list[ModelVersion]:
        found = [_version(raw, aliases) for raws, aliases in answer for raw in raws]
        return sorted(found, key=lambda version: (version.name, -version.version))

    return Call((), decode, _ALL)


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


def _version(raw: bytes, aliases: list[bytes]) -> ModelVersion:
    version = read_version(raw)
    pairs = zip(aliases[::2], aliases[1::2], strict=True)
    here = tuple(sorted(alias.decode() for alias, number in pairs if int(number) == version.version))
    return version.model_copy(update={"aliases": here})
