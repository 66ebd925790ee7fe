"""Gives a server all scripts of this version, for those who may call them and load none.

A server that is started again has no scripts, and neither has a replica that has become the master.
"""

import hashlib
from functools import cache

from .. import lanes
from ..ledger import ends, registry, waiting
from ..ledger.scripts import script as of_ledger
from ..ledger.scripts import script_names
from ..redis.calls import Call, Script, Steps


@cache
def scripts() -> tuple[Script, ...]:
    """Every script that runs on the ledger's Redis."""
    return (
        *map(of_ledger, script_names()),
        *map(lanes.script, lanes.script_names()),
        *(*registry.SCRIPTS, ends.ENDED, waiting.INTERRUPT),
    )


@cache
def _last() -> Script:
    """A script that nobody runs, and that is loaded behind all of this version: where it is, so are they."""
    return Script(f"return '{hashlib.sha256(''.join(script.sha for script in scripts()).encode()).hexdigest()}'")


def load_missing() -> Steps[int]:
    """Load the scripts that the server lacks; gives how many these were."""
    are_all: list[int] = yield Call(("SCRIPT", "EXISTS", _last().sha), list)
    if are_all == [1]:
        return 0
    every = scripts()
    words = ("SCRIPT", "EXISTS", *(script.sha for script in every))
    are_there: list[int] = yield Call(words, list)
    missing = [script for script, is_there in zip(every, are_there, strict=True) if not is_there]
    for script in missing:
        yield Call(("SCRIPT", "LOAD", script.source), bool)
    yield Call(("SCRIPT", "LOAD", _last().source), bool)
    return len(missing)
