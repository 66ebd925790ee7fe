"""The check of schedules: whether each starts what it should, when it should."""

from datetime import timedelta

from ...client.scheduling import all_schedules
from ...ledger import clock, schedules
from ...redis.calls import drive
from ...terminal.amounts import ago
from .check import Check, Finding, System, ok, warn

# A controller looks every second, and another leads a few seconds after one has died.
_LATE = timedelta(minutes=1)


def _schedules(system: System) -> Finding:
    listed = drive(all_schedules(), system.connection.run)
    names = system.connection.run(schedules.documents()).keys() | system.connection.run(schedules.states()).keys()
    unreadable = sorted(names - {each.name for each in listed})
    now = system.connection.run(clock.now())
    late = [each for each in listed if each.next_at and not each.paused and now - each.next_at > _LATE]
    troubled = [each for each in listed if each.problem]
    numbers = {"schedules": len(listed), "late": len(late), "left_out": len(troubled)}
    numbers["unreadable"] = len(unreadable)
    told = [
        f"{each.name} was to start {ago(each.next_at)}, and no controller does that" for each in late if each.next_at
    ]
    told += [f"the last start of {each.name} was left out: {each.problem}" for each in troubled]
    if unreadable:
        told.append(
            f"{', '.join(unreadable)} cannot be read: something else than Stoker has written to it, or a newer "
            "version; add it again with --replace"
        )
    if told:
        return warn("; ".join(told), numbers)
    paused = sum(each.paused is not None for each in listed)
    return ok(f"{len(listed)}, of which {paused} are paused" if listed else "there are none", numbers)


CHECKS = (Check("schedules", _schedules),)
