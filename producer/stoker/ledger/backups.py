"""The backup that goes on: as long as it says so, controllers remove nothing from the store.

So whatever the records of its snapshot name is still in the store when that is copied.
"""

from ..redis.calls import Call
from .keys import key
from .scripts import script

# How long it holds without being said again: longer than a store takes to list what it has.
HELD_S = 600


def begin(name: str) -> Call[str]:
    """Say that a backup goes on, unless another does; gives the name of the one that goes on now."""
    return Call((name, HELD_S * 1000, 1), lambda reply: str(reply.decode(errors="replace")), script("keep_backup"))


def go_on(name: str) -> Call[bool]:
    """Say it again; False if it was said too long ago: something may have been removed since."""
    return Call((name, HELD_S * 1000, 0), lambda reply: bool(reply == name.encode()), script("keep_backup"))


def end(name: str) -> Call[None]:
    """Say that it has ended."""
    return Call((name,), lambda _: None, script("end_backup"))


def goes_on() -> Call[bool]:
    """Whether a backup goes on."""
    return Call(("EXISTS", key("backup")), bool)
