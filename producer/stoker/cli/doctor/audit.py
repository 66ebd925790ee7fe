"""The check of the audit: whether what is noted is sealed."""

from datetime import UTC, datetime, timedelta

from ...ledger import clock
from ...redis.calls import drive
from ...security import audit
from .check import Check, Finding, System, fail, ok

# A controller seals every second, and another leads a few seconds after one has died.
_LATE = timedelta(minutes=1)
_LOOK = 1000


def _audit(system: System) -> Finding:
    waiting = drive(audit.newest(_LOOK), system.connection.run)
    oldest = min((entry.at for entry in waiting), default=datetime.now(UTC))
    numbers = {"unsealed": len(waiting)}
    if waiting and system.connection.run(clock.now()) - oldest > _LATE:
        more = "more than " if len(waiting) >= _LOOK else ""
        return fail(
            f"{more}{len(waiting)} entries are not sealed, and wait in Redis: see that a controller runs, and reaches "
            "the store",
            numbers,
        )
    if not system.connection.run(audit.is_on()):
        return ok("off: nobody notes who did what; audit = true in the controller's settings turns it on", numbers)
    return ok("what is done is noted, and sealed within a second", numbers)


CHECKS = (Check("audit", _audit),)
