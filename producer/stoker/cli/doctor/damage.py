"""Check of the ledger's keys: whether something else than Stoker has written to them."""

from datetime import UTC, datetime, timedelta

from ... import ledger
from .check import Check, Finding, System, fail, ok, warn

# Whoever wrote to the ledger so lately may do so again.
_LATELY = timedelta(days=1)


def _ledger(system: System) -> Finding:
    if found := system.connection.run(ledger.misplaced()):
        return _misplaced(system, found)
    mended, newest = system.connection.run(ledger.tallies()).repairs, system.connection.run(ledger.repairs(limit=1))
    numbers = {"misplaced": 0, "mended": mended}
    if not newest:
        return ok("what lies under its keys is what belongs there", numbers)
    last = newest[0]
    told = f"damages mended so far: {mended}, the last at {last.at:%Y-%m-%d %H:%M:%S} UTC: {last.where}, {last.was}"
    if datetime.now(UTC) - last.at > _LATELY:
        return ok(told, numbers)
    return warn(f"{told}; find what else than Stoker writes to Redis", numbers)


def _misplaced(system: System, found: list[ledger.Misplaced]) -> Finding:
    keys = ", ".join(f"{each.where} holds a {each.actual} and should hold a {each.expected}" for each in found)
    told, numbers = f"something else than Stoker has written to Redis: {keys}", {"misplaced": len(found)}
    if system.health.leader is None:
        return fail(f"{told}; a controller mends that, and none runs: run `stoker controller`", numbers)
    return warn(f"{told}; the controller's duty to repair the ledger mends that within seconds", numbers)


# It looks before other checks ask the scripts, which take away what lies in their way.
CHECKS = (Check("ledger", _ledger),)
