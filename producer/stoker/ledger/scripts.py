"""Loads the ledger's Lua scripts, each behind the shared prelude and the table of keys."""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from ..connection import Script
from .keys import lua_tables
from .tallies import lua_bounds


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, ready to run."""
    return Script(shared_source() + (files(__package__) / "lua" / f"{name}.lua").read_text())


@cache
def shared_source() -> str:
    """What stands before every script: the tables of keys, the bounds of histograms and the shared functions."""
    shared = ((files(__package__) / "lua" / f"{name}.lua").read_text() for name in ("doorbell", "sharing", "prelude"))
    return lua_tables() + lua_bounds() + "".join(shared)


def iso_now() -> str:
    """This moment as Celery writes `date_done`: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
