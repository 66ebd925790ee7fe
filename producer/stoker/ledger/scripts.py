"""Loads the ledger's Lua scripts, each behind the shared prelude and the table of keys."""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from ..redis.connection import Script
from .counters import lua_bounds
from .keys import lua_tables

# What stands between the prelude and some of the scripts.
_PARTS = {
    **dict.fromkeys(("submit", "accept", "take_in", "await_children"), ("intake",)),
    **dict.fromkeys(("claim", "release", "wake"), ("unserved",)),
    "repair": ("mend_records", "mend_indexes", "mend_counts"),
}


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, ready to run."""
    parts = ("forms", "turns", "states", *_PARTS.get(name, ()), name)
    return Script(basics() + "".join(map(_lua, parts)))


@cache
def lone_script(name: str) -> Script:
    """The script `lua/<name>.lua` without any other before it: one for a Redis that is not the ledger's."""
    return Script(_lua(name))


@cache
def basics() -> str:
    """What stands before every script, also of the lanes: tables of keys, bounds of histograms, shared functions."""
    return lua_tables() + lua_bounds() + _lua("basics")


def _lua(name: str) -> str:
    return (files(__package__) / "lua" / f"{name}.lua").read_text()


def iso_now() -> str:
    """This moment as Celery writes `date_done`: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
