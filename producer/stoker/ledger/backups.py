"""The backup that goes on: as long as it says so, controllers remove nothing from the store.

So whatever the records of its snapshot name is still in the store when that is copied.
"""

from ..redis.calls import Call
from .keys import key

# How long it holds without being said again: longer than a store takes to list what it has.
HELD_S = 600


def begin(name: str) -> Call[bool]:
    """Say that a backup goes on; False where another does."""
    return Call(("SET", key("backup"), name, "NX", "PX", HELD_S * 1000), bool)


def name() -> Call[str | None]:
    """The backup that goes on; None without one."""
    return Call(("GET", key("backup")), lambda reply: None if reply is None else reply.decode(errors="replace"))


def go_on() -> Call[bool]:
    """Say it again; False if it was said too long ago: something may have been removed since."""
    return Call(("PEXPIRE", key("backup"), HELD_S * 1000), bool)


def end() -> Call[None]:
    """Say that it has ended."""
    return Call(("DEL", key("backup")), lambda _: None)


def goes_on() -> Call[bool]:
    """Whether a backup goes on."""
    return Call(("EXISTS", key("backup")), bool)
