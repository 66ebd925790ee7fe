"""The Celery tasks: one per job kind, and one for lanes. Each takes an id or a lane's name and nothing else."""

from collections.abc import Sequence

from celery import Celery, Task
from celery.exceptions import Ignore, Retry

from stoker.errors import JobFailed
from stoker.kinds import KINDS
from stoker.kinds.tasks import UNKNOWN_KIND_TASK, task_name
from stoker.lanes import DRAIN_TASK
from stoker.ledger import JOIN_TASK

from ..attempt.claim import run_job
from ..attempt.ending import Ending
from ..attempt.gang import Member
from ..attempt.slot import Slot
from ..serving.predictors import Predictors


def register_tasks(app: Celery, slot: Slot, queues: Sequence[str]) -> None:
    """Give an app the tasks of a worker that serves these queues."""
    predictors = Predictors(slot, queues)

    def job(task: Task, job_id: str) -> str:
        return _shown(task, run_job(slot, job_id, task.request.delivery_info["routing_key"]))

    def join(seat: str) -> str:
        return Member(slot, seat).take_part()

    for name in (*map(task_name, KINDS), UNKNOWN_KIND_TASK):
        app.task(job, name=name, bind=True, throws=(JobFailed,))
    app.task(predictors.drain, name=DRAIN_TASK)
    app.task(join, name=JOIN_TASK)


def _shown(task: Task, ending: Ending) -> str:
    """End the task the way the attempt ended, so that Flower and the log show it; the ledger has been told already."""
    match ending.how:
        case "succeeded":
            return ending.told
        case "failed":
            raise JobFailed(ending.told)
        case "handed back":
            raise Retry(ending.told)
        case "cancelled":
            task.send_event("task-revoked", terminated=True, signum=None, expired=False)
    raise Ignore(ending.told)
