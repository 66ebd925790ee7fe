"""Commands of `celery control`, and so of Flower's buttons, which would bypass the ledger if Celery executed them.

Celery keeps revoked ids in a worker's memory, where they would hide a job from that worker for ever; it ends a running
task by killing its slot, which would count as a lost worker; and it shuts down when every task has ended, which may
take hours. Here `revoke` cancels a job, and `shutdown` drains the worker.
"""

import os
import signal as signals
from typing import Any

from celery.worker.control import control_command

from stoker.errors import JobNotFound, StokerError
from stoker.ledger import records
from stoker.redis.connection import Connection
from stoker.settings import Settings


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


def _cancel(connection: Connection, job_id: str) -> str:
    try:
        return f"{job_id} was {connection.run(records.cancel(job_id))}, cancelled"
    except JobNotFound:
        return f"{job_id} is no job"
    except StokerError as error:
        return f"{job_id} is not cancelled: {error.message}"
