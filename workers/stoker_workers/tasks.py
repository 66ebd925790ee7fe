"""The Celery tasks: one per job kind, and one for inference requests. Each takes an id and nothing else."""

from celery import Celery, Task
from celery.exceptions import Ignore, Retry

from stoker import inference
from stoker.errors import JobFailed
from stoker.jobs import KINDS
from stoker.wire import task_name

from .lifecycle import Ending, run_job
from .serving import Predictors
from .slot import Slot


def register_tasks(app: Celery, slot: Slot) -> None:
    """Give an app the tasks of a worker."""
    predictors = Predictors(slot)

    def job(task: Task, job_id: str) -> str:
        return _shown(task, run_job(slot, job_id))

    for kind in KINDS:
        app.task(job, name=task_name(kind), bind=True, throws=(JobFailed,))
    app.task(predictors.answer, name=inference.TASK)


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
