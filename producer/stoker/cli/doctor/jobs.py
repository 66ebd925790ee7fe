"""Checks of the ledger: jobs that make no progress, and messages that were no jobs."""

from ...events import JobState
from ...ledger import monitoring, quarantine, records, store_files
from ...ledger.keys import key
from ..output import duration, size_text
from .check import Check, Finding, System, fail, listed, ok, warn

# A job that computes sends an event every few seconds; loading data or a model may take minutes.
_SILENT_S = 600.0
# How many silent jobs a finding names.
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
    numbers = {"files": leftovers.files, "bytes": leftovers.size}
    if not leftovers.files:
        return ok("every file in the store belongs to something", numbers)
    files = f"{leftovers.files} files with {size_text(leftovers.size)} in the store belonged to nothing"
    if leftovers.removed:
        return ok(f"{files} and were removed", numbers)
    return warn(f"{files}: STOKER_REMOVE_LEFTOVERS=true has them removed; for example {leftovers.examples[0]}", numbers)


CHECKS = (
    Check("leases", _leases),
    Check("silence", _silent),
    Check("dead jobs", _dead),
    Check("quarantine", _quarantine),
    Check("leftovers", _leftovers),
)
