"""The ledger: every job's record in Redis, moved from state to state by Lua scripts.

                ┌────────── release: drained ────────┐
                ▼                                    │
    submit ─▶ QUEUED ──────── claim ────────────▶ RUNNING ── succeed, fail ──▶ SUCCEEDED, FAILED
      │         ▲                                  │   │
      │         │ wake, or all it comes after      │   ├── release, too many losses ──▶ DEAD
      ▼         │ has succeeded                    │   └── fail, once asked to cancel ──▶ CANCELLED
    WAITING ────┘◀────── release: lost, outage ────┘

A job that waits or is queued can be cancelled; it is, too, when a job that it comes after does not succeed.

A record is the truth; the Celery message that `submit` and `release` push is only its doorbell. `claim` names the
attempt's owner, and that name is its fencing token: what any other owner reports, commits or releases is not written.
Each function returns a `Call`; whoever holds a connection runs it.
"""

from .attempts import (
    Answer,
    Attempt,
    Committed,
    Expired,
    Refused,
    await_outage,
    claim,
    expired,
    fail,
    put_off,
    reclaim,
    release,
    report,
    succeed,
)
from .children import await_children, is_child
from .dead import PastAttempt, drop, history, requeue
from .duties import DutyState, duties, duty_ran, keep_duties
from .fleet import (
    KindTraffic,
    RunningJobs,
    Traffic,
    bounds,
    clear_bounds,
    decided,
    decisions,
    reach,
    set_bounds,
    traffic,
)
from .gang import JOIN_TASK, Gang, attempt_of, attend, depart, disband, gather, job_of_seat
from .health import Health, QueueHealth, SilentJob, health, silent
from .intake import NewJob, accept, accepted, parts, stage, submit, take_in
from .leftovers import Leftovers, Named, has_ended, leftovers, named, note_leftovers
from .news import interrupt, news
from .presence import BEAT_S, Worker, announce, leave, want_slots, wanted_slots, workers
from .quarantine import QuarantineReason, evict, quarantine, quarantined
from .records import Search, cancel, counts, events, query, result, search, spec, status
from .repair import Look, Misplaced, Repair, misplaced, repair, repairs
from .results import Untold, copy, mirror, told, untold
from .sharing import Tenant, lay_down, tenants
from .tallies import NO_TIMES, Histogram, Tallies, tallies
from .upkeep import cleared, deleted, discarded, ended, expire, fall_back, lead, resign, ring_again, wake

__all__ = [
    "BEAT_S",
    "JOIN_TASK",
    "NO_TIMES",
    "Answer",
    "Attempt",
    "Committed",
    "DutyState",
    "Expired",
    "Gang",
    "Health",
    "Histogram",
    "KindTraffic",
    "Leftovers",
    "Look",
    "Misplaced",
    "Named",
    "NewJob",
    "PastAttempt",
    "QuarantineReason",
    "QueueHealth",
    "Refused",
    "Repair",
    "RunningJobs",
    "Search",
    "SilentJob",
    "Tallies",
    "Tenant",
    "Traffic",
    "Untold",
    "Worker",
    "accept",
    "accepted",
    "announce",
    "attempt_of",
    "attend",
    "await_children",
    "await_outage",
    "bounds",
    "cancel",
    "claim",
    "clear_bounds",
    "cleared",
    "copy",
    "counts",
    "decided",
    "decisions",
    "deleted",
    "depart",
    "disband",
    "discarded",
    "drop",
    "duties",
    "duty_ran",
    "ended",
    "events",
    "evict",
    "expire",
    "expired",
    "fail",
    "fall_back",
    "gather",
    "has_ended",
    "health",
    "history",
    "interrupt",
    "is_child",
    "job_of_seat",
    "keep_duties",
    "lay_down",
    "lead",
    "leave",
    "leftovers",
    "mirror",
    "misplaced",
    "named",
    "news",
    "note_leftovers",
    "parts",
    "put_off",
    "quarantine",
    "quarantined",
    "query",
    "reach",
    "reclaim",
    "release",
    "repair",
    "repairs",
    "report",
    "requeue",
    "resign",
    "result",
    "ring_again",
    "search",
    "set_bounds",
    "silent",
    "spec",
    "stage",
    "status",
    "submit",
    "succeed",
    "take_in",
    "tallies",
    "tenants",
    "told",
    "traffic",
    "untold",
    "wake",
    "want_slots",
    "wanted_slots",
    "workers",
]
