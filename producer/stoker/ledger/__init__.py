"""The ledger: every job's record in Redis, moved from state to state by Lua scripts.

                ┌────────── release: drained ────────┐
                ▼                                    │
    submit ─▶ QUEUED ──────── claim ────────────▶ RUNNING ── succeed, fail ──▶ SUCCEEDED, FAILED
      │         ▲                                  │   │
      │         │ wake, or all it comes after      │   ├── release, too many losses ──▶ DEAD
      ▼         │ has succeeded                    │   └── fail, once asked to cancel ──▶ CANCELLED, PRUNED
    WAITING ────┘◀────── release: lost, outage ────┘

A job that waits or is queued can be cancelled; it is, too, when a job that it comes after does not succeed.
A trial that others did better than is ended as PRUNED.

A record is the truth; the Celery message that `submit` and `release` push is only its doorbell. `claim` names the
attempt's owner, and that name is its fencing token: what any other owner reports, commits or releases is not written.
Each function returns a `Call`; whoever holds a connection runs it.
"""
