"""Commands of `celery control`, and so buttons of Flower, that would go past the ledger if Celery obeyed them itself.

Celery keeps what was revoked in a worker's memory, where it would hide a job from that worker for ever; it ends a
running task by killing its slot, which the ledger would count as a lost worker; and it shuts down as soon as every task
has ended, which may take hours. Here a revoked job is a cancelled one, and a worker that is told to shut down drains.
"""

import os
import signal as signals
from typing import Any

from celery.worker.control import control_command

from stoker import ledger
from stoker.errors import JobNotFound, StokerError
from stoker.redis.connection import Connection
from stoker.settings import Settings


def register_commands(settings: Settings, redis_url: str) -> None:
    """Have the workers of this process obey as the module says."""
    connection = Connection.open(settings, redis_url)

    @control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")  # type: ignore[untyped-decorator]
    def revoke(_state: Any, task_id: str | list[str], **_: Any) -> dict[str, str]:
        """Cancel jobs: at once where they are queued, at the next step where they run."""
        told = [_cancel(connection, each) for each in ([task_id] if isinstance(task_id, str) else task_id)]
        return {"ok": "; ".join(told)}

    @control_command(  # type: ignore[untyped-decorator]
        args=[("signal", str)], variadic="task_id", signature="<signal> [id1 [id2 [... [idN]]]]"
    )
    def terminate(state: Any, signal: str, task_id: str | list[str], **_: Any) -> dict[str, str]:  # noqa: ARG001
        """The same as revoke: a job has a grace period to stop in, whatever the signal."""
        return revoke(state, task_id)  # type: ignore[no-any-return]

    @control_command()  # type: ignore[untyped-decorator]
    def shutdown(_state: Any, **_: Any) -> dict[str, str]:
        """Drain, as at SIGTERM: running jobs save a checkpoint and go back to their queue."""
        os.kill(os.getpid(), signals.SIGTERM)
        return {"ok": "draining"}


def _cancel(connection: Connection, job_id: str) -> str:
    try:
        return f"{job_id} was {connection.run(ledger.cancel(job_id))}, cancelled"
    except JobNotFound:
        return f"{job_id} is no job"
    except StokerError as error:
        return f"{job_id} is not cancelled: {error.message}"
