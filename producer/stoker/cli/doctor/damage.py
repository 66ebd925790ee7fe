"""The check of the ledger's keys: whether anything but Stoker has written to them."""

from datetime import UTC, datetime, timedelta

from ...ledger import counters, damage
from .check import Check, Finding, System, fail, ok, warn

# How recent a damage is that deserves a warning.
_LATELY = timedelta(days=1)


def _ledger(system: System) -> Finding:
    if misplaced := system.connection.run(damage.misplaced()):
        return _misplaced(system, misplaced)
    mended, newest = (
        system.connection.run(counters.read_tallies()).repairs,
        system.connection.run(damage.repairs(limit=1)),
    )
    numbers = {"misplaced": 0, "mended": mended}
    if not newest:
        return ok("what lies under its keys is what belongs there", numbers)
    last = newest[0]
    message = f"damages mended so far: {mended}, the last at {last.at:%Y-%m-%d %H:%M:%S} UTC: {last.where}, {last.was}"
    if datetime.now(UTC) - last.at > _LATELY:
        return ok(message, numbers)
    return warn(f"{message}; find what else than Stoker writes to Redis", numbers)


def _misplaced(system: System, misplaced: list[damage.Misplaced]) -> Finding:
    keys = ", ".join(f"{key.where} holds a {key.actual} and should hold a {key.expected}" for key in misplaced)
    message, numbers = f"something else than Stoker has written to Redis: {keys}", {"misplaced": len(misplaced)}
    if system.health.leader is None:
        return fail(f"{message}; a controller mends that, and none runs: run `stoker controller`", numbers)
    return warn(f"{message}; the controller's duty to repair the ledger mends that within seconds", numbers)


# It comes before checks that run scripts, which delete keys of a wrong type.
CHECKS = (Check("ledger", _ledger),)
