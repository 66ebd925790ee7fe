"""Loads the ledger's Lua scripts, each behind the shared prelude and the table of keys."""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from ..connection import Script
from .keys import lua_tables
from .tallies import lua_bounds

# What stands between the prelude and some of the scripts.
_PARTS = dict.fromkeys(("submit", "accept", "take_in"), ("intake",))


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, ready to run."""
    return Script(shared_source() + "".join(_lua(part) for part in (*_PARTS.get(name, ()), name)))


@cache
def shared_source() -> str:
    """What stands before every script: the tables of keys, the bounds of histograms and the shared functions."""
    return lua_tables() + lua_bounds() + "".join(map(_lua, ("doorbell", "sharing", "prelude")))


def _lua(name: str) -> str:
    return (files(__package__) / "lua" / f"{name}.lua").read_text()


def iso_now() -> str:
    """This moment as Celery writes `date_done`: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
