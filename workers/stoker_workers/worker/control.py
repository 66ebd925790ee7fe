"""Commands of `celery control`, and so of Flower's buttons, which would bypass the ledger if Celery executed them.

Celery keeps revoked ids in a worker's memory, where they would hide a job from that worker for ever; it ends a running
task by killing its slot, which would count as a lost worker; and it shuts down when every task has ended, which may
take hours. Here `revoke` cancels a job, and `shutdown` drains the worker. Commands that a worker of Stoker cannot obey
are refused: of a queue that its Redis user may not read, it would lose its connection for ever.
"""

import os
import signal as signals
from typing import Any

from celery.worker.control import control_command

from stoker.errors import JobNotFound, StokerError
from stoker.ledger import records
from stoker.redis.connection import Connection
from stoker.settings import Settings

_QUEUES = (
    "a worker serves the queues of its device, always: start workers for a device, and stop those that are too many"
)
_LIMITS = "jobs have limits of their own: give a job a timeout, and a tenant a quota in stoker.toml"
# What is refused, and what to do instead.
_REFUSED = {
    "add_consumer": _QUEUES,
    "cancel_consumer": _QUEUES,
    "rate_limit": _LIMITS,
    "time_limit": _LIMITS,
}


def register_commands(settings: Settings, redis_url: str) -> None:
    """Replace Celery's commands for the worker of this process."""
    connection = Connection.open(settings, redis_url)

    @control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")  # type: ignore[untyped-decorator]
    def revoke(_state: Any, task_id: str | list[str], **_: Any) -> dict[str, str]:
        """Cancel jobs: queued ones at once, running ones at their next step."""
        answers = [_cancel(connection, each) for each in ([task_id] if isinstance(task_id, str) else task_id)]
        return {"ok": "; ".join(answers)}

    @control_command(  # type: ignore[untyped-decorator]
        args=[("signal", str)], variadic="task_id", signature="<signal> [id1 [id2 [... [idN]]]]"
    )
    def terminate(state: Any, signal: str, task_id: str | list[str], **_: Any) -> dict[str, str]:  # noqa: ARG001
        """The same as `revoke`, whatever the signal: a job has a grace period to stop."""
        return revoke(state, task_id)  # type: ignore[no-any-return]

    @control_command()  # type: ignore[untyped-decorator]
    def shutdown(_state: Any, **_: Any) -> dict[str, str]:
        """Drain, as at SIGTERM: running jobs save a checkpoint and go back to their queue."""
        os.kill(os.getpid(), signals.SIGTERM)
        return {"ok": "draining"}

    for name, instead in _REFUSED.items():
        _refuse(name, instead)


def _refuse(name: str, instead: str) -> None:
    @control_command(name=name)  # type: ignore[untyped-decorator]
    def refused(_state: Any, **_: Any) -> dict[str, str]:
        return {"error": f"{name} is refused: {instead}"}


def _cancel(connection: Connection, job_id: str) -> str:
    try:
        return f"{job_id} was {connection.run(records.cancel(job_id))}, cancelled"
    except JobNotFound:
        return f"{job_id} is no job"
    except StokerError as error:
        return f"{job_id} is not cancelled: {error.message}"
