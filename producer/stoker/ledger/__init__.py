"""The ledger: every job's record in Redis, moved from state to state by Lua scripts.

                ┌────────── release: drained ────────┐
                ▼                                    │
    submit ─▶ QUEUED ──────── claim ────────────▶ RUNNING ── succeed, fail ──▶ SUCCEEDED, FAILED
      │         ▲                                  │   │
      │         │ wake, or all it comes after      │   ├── release, too many losses ──▶ DEAD
      ▼         │ has succeeded                    │   └── fail, once asked to cancel ──▶ CANCELLED
    WAITING ────┘◀────────── release: lost ────────┘

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
    claim,
    expired,
    fail,
    reclaim,
    release,
    report,
    succeed,
)
from .dead import PastAttempt, drop, history, requeue
from .health import Health, QueueHealth, health
from .presence import BEAT_S, Worker, announce, leave, workers
from .quarantine import QuarantineReason, evict, quarantine, quarantined
from .records import NewJob, cancel, counts, events, query, result, spec, status, submit
from .results import Untold, mirror, told, untold
from .tallies import Histogram, Tallies, tallies
from .upkeep import deleted, discarded, expire, lead, resign, ring_again, wake

__all__ = [
    "BEAT_S",
    "Answer",
    "Attempt",
    "Committed",
    "Expired",
    "Health",
    "Histogram",
    "NewJob",
    "PastAttempt",
    "QuarantineReason",
    "QueueHealth",
    "Refused",
    "Tallies",
    "Untold",
    "Worker",
    "announce",
    "cancel",
    "claim",
    "counts",
    "deleted",
    "discarded",
    "drop",
    "events",
    "evict",
    "expire",
    "expired",
    "fail",
    "health",
    "history",
    "lead",
    "leave",
    "mirror",
    "quarantine",
    "quarantined",
    "query",
    "reclaim",
    "release",
    "report",
    "requeue",
    "resign",
    "result",
    "ring_again",
    "spec",
    "status",
    "submit",
    "succeed",
    "tallies",
    "told",
    "untold",
    "wake",
    "workers",
]
