"""Gives a server all scripts of this version, for those who may call them and load none.

A server that is started again has no scripts, and neither has a replica that has become the master.
"""

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


def load_missing() -> Steps[int]:
    """Load the scripts that the server lacks; gives how many these were."""
    every = scripts()
    words = ("SCRIPT", "EXISTS", *(script.sha for script in every))
    are_there: list[int] = yield Call(words, list)
    missing = [script for script, is_there in zip(every, are_there, strict=True) if not is_there]
    for script in missing:
        yield Call(("SCRIPT", "LOAD", script.source), bool)
    return len(missing)
