"""Loads the ledger's Lua scripts, each behind the shared prelude and the table of keys."""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from ..connection import Script
from .keys import lua_tables


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, ready to run."""
    folder = files(__package__) / "lua"
    prelude = (folder / "prelude.lua").read_text()
    return Script(lua_tables() + prelude + (folder / f"{name}.lua").read_text())


def iso_now() -> str:
    """This moment as Celery writes `date_done`: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
