"""Checks of the ledger: jobs that make no progress, and messages that were no jobs."""

from datetime import UTC, datetime, timedelta

from ...client.stores import elsewhere
from ...events import JobState
from ...ledger import monitoring, pauses, quarantine, records, store_files, uploads
from ...ledger.keys import key
from ...ledger.usage import budgets
from ...models.store import Store
from ...redis.calls import drive
from ...terminal.amounts import ago, duration, size_text
from .check import Check, Finding, System, fail, listed, ok, warn

# A job that computes sends an event every few seconds; loading data or a model may take minutes.
_SILENT_S = 600.0
# What is paused for so long may have been forgotten.
_LONG_PAUSE = timedelta(days=1)
# A budget of which so much is spent is nearly spent.
_NEARLY = 0.9
# How many jobs a finding names.
_NAMED = 10


def _leases(system: System) -> Finding:
    overdue = system.health.overdue
    if overdue:
        return fail(
            f"{overdue} running jobs' workers went silent and nobody hands them on: see the controller's log",
            {"overdue": overdue},
        )
    return ok("no running job's worker is silent", {"overdue": 0})


def _silent(system: System) -> Finding:
    silent = system.connection.run(monitoring.silent(_SILENT_S, limit=_NAMED))
    if not silent.count:
        return ok(f"no running job has told nothing for {duration(_SILENT_S)}", {"silent": 0})
    named = ", ".join(f"job {job.job_id} on {job.worker} for {duration(job.silent_s)}" for job in silent.longest)
    more = f" and {silent.count - len(silent.longest)} more" if silent.count > len(silent.longest) else ""
    return warn(
        f"these running jobs have told nothing, and may hang: {named}{more}; `stoker watch ID` shows what came last, "
        "`stoker cancel ID` ends one, and a `timeout` bounds the next",
        {"silent": silent.count},
    )


def _paused(system: System) -> Finding:
    paused = system.connection.run(pauses.paused(_NAMED))
    numbers = {"jobs": paused.jobs, "queues": len(paused.queues), "tenants": len(paused.tenants)}
    if not any(numbers.values()):
        return ok("nothing is", numbers)
    since = {f"queue {name}": at for name, at in paused.queues.items()}
    since |= {f"tenant {name!r}": at for name, at in paused.tenants.items()}
    since |= {f"job {job_id}": at for job_id, at in paused.longest.items()}
    named = ", ".join(f"{what} for {ago(at).removesuffix(' ago')}" for what, at in since.items())
    more = f" and {paused.jobs - len(paused.longest)} more jobs" if paused.jobs > len(paused.longest) else ""
    if min(since.values()) > datetime.now(UTC) - _LONG_PAUSE:
        return ok(f"{named}{more}", numbers)
    return warn(f"{named}{more}: `stoker resume` lets them go on, `stoker cancel ID` ends a job", numbers)


def _budgets(system: System) -> Finding:
    spent = {each.tenant: each for each in system.connection.run(budgets()) if each.spent_ms >= _NEARLY * each.limit_ms}
    if not spent:
        return ok("none is nearly spent")
    hours = {name: (each.spent_ms / 3.6e6, each.limit_ms / 3.6e6) for name, each in spent.items()}
    told = ", ".join(
        f"tenant {name!r} has had {had:.4g} of {most:.4g} slot hours in {spent[name].days} days"
        for name, (had, most) in hours.items()
    )
    numbers = {name: round(each.spent_ms / 1000) for name, each in spent.items()}
    return warn(f"{told}: `stoker usage` shows for what", numbers)


def _dead(system: System) -> Finding:
    counts = system.connection.run(records.counts())
    dead = sum(count for (_, state), count in counts.items() if state is JobState.DEAD)
    if dead:
        return warn(f"{dead}: `stoker dead list --history` tells why, requeue or drop them", {"dead": dead})
    return ok("none", {"dead": 0})


def _quarantine(system: System) -> Finding:
    counts = system.connection.run(quarantine.quarantined())
    if not counts:
        return ok("empty")
    return warn(
        f"{sum(counts.values())} messages were no jobs: {listed(counts)}; find who writes to Redis, "
        f"the newest are in {key('quarantine')}",
        counts,
    )


def _leftovers(system: System) -> Finding:
    leftovers = system.connection.run(store_files.leftovers())
    if leftovers is None:
        return ok("the controller has not looked through all of the store yet")
    numbers = {"files": leftovers.files, "bytes": leftovers.size, "stored_bytes": leftovers.stored_size}
    stored = f"the store's {size_text(leftovers.stored_size)} in {leftovers.stored_files} files"
    if not leftovers.files:
        return ok(f"every file of {stored} belongs to something", numbers)
    files = f"{leftovers.files} files with {size_text(leftovers.size)} of {stored} belonged to nothing"
    if leftovers.is_strange:
        return warn(
            f"{files}, because this ledger names no file at all: is it the store's? Nothing is removed; for example "
            f"{leftovers.examples[0]}",
            numbers,
        )
    if not leftovers.removed:
        return warn(
            f"{files}: STOKER_REMOVE_LEFTOVERS=true has them removed; for example {leftovers.examples[0]}", numbers
        )
    rest = leftovers.files - leftovers.removed_files
    due = f", {rest} are from {leftovers.next_at:%Y-%m-%d %H:%M} UTC on" if rest and leftovers.next_at else ""
    return ok(f"{files}: {size_text(leftovers.removed_size)} were removed{due}", numbers)


def _uploads(system: System) -> Finding:
    store = Store(system.settings.store_place)
    # In this order, for a file is in the store before Redis knows of it.
    if system.connection.run(store_files.are_known()) and store.is_empty_folder():
        return fail(elsewhere(store))
    kept = drive(uploads.listed(), system.connection.run)
    size = sum(upload.size for upload in kept)
    numbers = {"uploads": len(kept), "bytes": size}
    if not kept:
        return ok("none", numbers)
    now = datetime.now(UTC)
    # What a job or a version names is kept beyond its time.
    over, ref = min(((each.expires_at, each.ref) for each in kept if each.expires_at > now), default=(None, ""))
    goes = f"; unless a job names it, {ref} goes in {duration((over - now).total_seconds())}" if over else ""
    return ok(f"{len(kept)} with {size_text(size)}{goes}", numbers)


CHECKS = (
    Check("leases", _leases),
    Check("silence", _silent),
    Check("paused", _paused),
    Check("budgets", _budgets),
    Check("dead jobs", _dead),
    Check("quarantine", _quarantine),
    Check("leftovers", _leftovers),
    Check("uploads", _uploads),
)
