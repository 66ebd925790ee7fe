"""The ledger: every job's record in Redis, moved from state to state by Lua scripts.

                  ┌─── release ───────┐
                  ▼                   │
    submit ──▶ QUEUED ── claim ──▶ RUNNING ── succeed, fail ──▶ SUCCEEDED, FAILED
                  │                   │
                  │ cancel            ├── fail, once asked to cancel ──▶ CANCELLED
                  └──▶ CANCELLED      └── release, too many losses ──▶ DEAD

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
from .presence import BEAT_S, Worker, announce, leave, workers
from .records import NewJob, cancel, counts, events, query, result, spec, status, submit
from .results import Untold, mirror, told, untold

__all__ = [
    "BEAT_S",
    "Answer",
    "Attempt",
    "Committed",
    "Expired",
    "NewJob",
    "Refused",
    "Untold",
    "Worker",
    "announce",
    "cancel",
    "claim",
    "counts",
    "events",
    "expired",
    "fail",
    "leave",
    "mirror",
    "query",
    "reclaim",
    "release",
    "report",
    "result",
    "spec",
    "status",
    "submit",
    "succeed",
    "told",
    "untold",
    "workers",
]
