"""Gives a server all scripts of this version, for those who may call them and load none.

A server that is started again has no scripts, and neither has a replica that has become the master.
"""

import hashlib
from collections.abc import Sequence
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
def _all() -> tuple[Script, ...]:
    """The same, and behind them one that nobody runs: where that is, so are they, for all are forgotten together."""
    digest = hashlib.sha256("".join(script.sha for script in scripts()).encode()).hexdigest()
    return (*scripts(), Script(f"return '{digest}'"))


def load_missing() -> Steps[int]:
    """Load the scripts that the server lacks; gives how many these were. Where none is missing, it costs little."""
    loaded = 0
    missing = yield from _missing(_all()[-1:])
    while missing:
        # All together: they may have been forgotten while they were loaded.
        missing = yield from _missing(_all())
        for script in missing:
            yield Call(("SCRIPT", "LOAD", script.source), bool)
        loaded += len(missing)
    return loaded


def _missing(of: Sequence[Script]) -> Steps[list[Script]]:
    are_there: list[int] = yield Call(("SCRIPT", "EXISTS", *(script.sha for script in of)), list)
    return [script for script, is_there in zip(of, are_there, strict=True) if not is_there]
