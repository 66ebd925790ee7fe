"""The Celery tasks: one for each job kind, one for lanes, one for gangs. The only argument is an id or a lane."""

from collections.abc import Sequence

from celery import Celery, Task
from celery.exceptions import Ignore, Retry

from stoker.errors import JobFailed
from stoker.kinds import KINDS
from stoker.kinds.tasks import UNKNOWN_KIND_TASK, task_name
from stoker.lanes import DRAIN_TASK
from stoker.ledger.gangs import JOIN_TASK

from ..attempt.claim import run_job
from ..attempt.ending import Ending
from ..attempt.gang import Member
from ..attempt.slot import Slot
from ..serving.predictors import Predictors


class HandedBack(Exception):
    """Why an attempt has ended before its job."""


def register_tasks(app: Celery, slot: Slot, queues: Sequence[str]) -> None:
    """Register the tasks of a worker that serves these queues."""
    predictors = Predictors(slot, queues)

    def job(task: Task, job_id: str) -> str:
        return _shown(task, run_job(slot, job_id, task.request.delivery_info["routing_key"]))

    def join(member_id: str) -> str:
        return Member(slot, member_id).take_part()

    for name in (*map(task_name, KINDS), UNKNOWN_KIND_TASK):
        app.task(job, name=name, bind=True, throws=(JobFailed,))
    app.task(predictors.drain, name=DRAIN_TASK)
    app.task(join, name=JOIN_TASK)


def _shown(task: Task, ending: Ending) -> str:
    """End the task as its attempt ended, for Flower and the log; the ledger already has the attempt's end."""
    match ending.how:
        case "succeeded":
            return ending.message
        case "failed":
            raise JobFailed(ending.message)
        case "handed back":
            # Celery's log has the first, its event for Flower only the second.
            raise Retry(ending.message, HandedBack(ending.message))
        case "cancelled" | "pruned":
            task.send_event("task-revoked", terminated=True, signum=None, expired=False)
    raise Ignore(ending.message)
