"""The model registry: immutable versions of named models, and aliases that point at them."""

import re
from typing import Any

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
-- ARGV: name, number or alias. Answers {the version's JSON or false, {alias, number, …}}
local name, pick = ARGV[1], ARGV[2]
local aliases = redis.call('HGETALL', KEY.aliases .. name)
local number = redis.call('HGET', KEY.aliases .. name, pick) or pick
return { redis.call('HGET', KEY.model .. name, number), aliases }
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
    match = _REF.fullmatch(ref)
    if match is None:
        raise ModelNotFound(f"{ref!r} is no model reference: expected name, name@3 or name@alias, in lower case")
    name, pick = match["name"], match["pick"] or "champion"

    def decode(answer: list[Any]) -> ModelVersion:
        raw, aliases = answer
        if raw is None:
            known = sorted(alias.decode() for alias in aliases[::2])
            hint = f"its aliases are {', '.join(known)}" if known else "train it first; `stoker models list` shows all"
            raise ModelNotFound(f"there is no model {name}@{pick}: {hint}")
        return _version(raw, aliases)

    return Call((name, pick), decode, _RESOLVE)


def next_number(name: str) -> Call[int]:
    """The number that the model's next version will have, if no other comes first."""
    return Call(("HLEN", key("model", name)), lambda count: int(count) + 1)


def versions() -> Call[list[ModelVersion]]:
    """Every version of every model, by name, the newest version first."""

    def decode(answer: list[Any]) -> list[ModelVersion]:
        found = [_version(raw, aliases) for raws, aliases in answer for raw in raws]
        return sorted(found, key=lambda version: (version.name, -version.version))

    return Call((), decode, _ALL)


def _version(raw: bytes, aliases: list[bytes]) -> ModelVersion:
    version = ModelVersion.model_validate_json(raw)
    pairs = zip(aliases[::2], aliases[1::2], strict=True)
    here = tuple(sorted(alias.decode() for alias, number in pairs if int(number) == version.version))
    return version.model_copy(update={"aliases": here})
