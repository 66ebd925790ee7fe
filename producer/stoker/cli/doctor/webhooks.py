"""The check of webhooks: whether what happens arrives where it is told."""

from ...ledger import clock
from ...terminal.amounts import ago, duration
from ...webhooks import calls
from .check import Check, Finding, System, ok, warn

# A controller looks every second, and another leads a few seconds after one has died.
_LATE_S = 120.0


def _webhooks(system: System) -> Finding:
    raw = system.connection.run(calls.stored())
    known = calls.read_records(raw.values())
    now = system.connection.run(clock.now())
    statuses = system.connection.run(calls.states(known, now))
    unreadable = sorted(raw.keys() - {each.id for each in known})
    numbers = {
        "webhooks": len(statuses),
        "disabled": sum(each.disabled is not None for each in statuses),
        "failing": sum(each.failing_since is not None for each in statuses),
        "waiting": sum(each.waiting for each in statuses),
        "dead": sum(each.dead for each in statuses),
        "dropped": sum(each.dropped for each in statuses),
        "unreadable": len(unreadable),
    }
    told = []
    for each in statuses:
        who = f"{each.id} ({calls.place(each.url)})"
        if each.disabled:
            told.append(f"{who} is disabled, {each.disabled}: `stoker webhooks enable {each.id}`, or remove it")
        elif each.failing_since:
            told.append(f"{who} fails since {ago(each.failing_since)}: {each.problem}; {each.waiting:,} wait")
        elif each.oldest_s > _LATE_S:
            told.append(f"{each.waiting:,} wait for {who}, one for {duration(each.oldest_s)}: does a controller lead?")
        if each.dead and not each.disabled:
            told.append(f"{each.dead:,} to {who} were given up: `stoker webhooks replay {each.id}` tries them again")
        if each.dropped:
            told.append(f"{each.dropped:,} to {who} were dropped, because too many waited")
    if unreadable:
        told.append(f"{', '.join(unreadable)} cannot be read: something else than Stoker, or a newer version, wrote it")
    return warn("; ".join(told), numbers) if told else ok(_all_well(len(statuses)), numbers)


def _all_well(count: int) -> str:
    return f"{count}, all that was told has arrived or is under way" if count else "there are none"


CHECKS = (Check("webhooks", _webhooks),)
