"""The Celery worker: tasks, a sign of life every few seconds, and the drain on shutdown."""

import multiprocessing
import os
import platform
import signal
from types import FrameType
from typing import Any

import billiard
from celery import bootsteps, signals
from celery.platforms import EX_FAILURE
from celery.worker import WorkController

from stoker import ledger
from stoker.broker import celery_app
from stoker.settings import Settings
from stoker.topology import WorkDevice, queues_of

from .lifecycle import GRACE_S
from .presence import Presence
from .slot import Slot
from .tasks import register_tasks
from .transport import GuardedConnection

# How long handing jobs back may take once they have stopped: a round trip to Redis, or its timeout.
_HURRY_S = 10


def run_worker(settings: Settings, redis_url: str, device: WorkDevice) -> int:
    """Serve the queues of a device until told to stop; gives the exit status.

    SIGTERM drains: running jobs save a checkpoint and go back to their queue. At a second one they go back at once.
    """
    worker = ledger.Worker(
        name=f"{device}-{os.getpid()}@{platform.node()}",
        device=device,
        slots=settings.slots or max(2, os.cpu_count() or 1),
        queues=queues_of(device),
        host=platform.node(),
        pid=os.getpid(),
    )
    app = celery_app(settings, redis_url)
    app.amqp.Connection = GuardedConnection
    slot = Slot(settings, redis_url, worker.name)
    register_tasks(app, slot, worker.queues)
    app.steps["worker"].add(_step(Presence(worker, settings, redis_url)))

    def drain(**_: Any) -> None:
        slot.stop()
        signal.alarm(_HURRY_S if slot.hurrying else round(GRACE_S["drain"]) + _HURRY_S)

    signals.worker_shutting_down.connect(drain, weak=False)
    signal.signal(signal.SIGALRM, _cut_off)
    signals.worker_process_init.connect(_allow_runners, weak=False)
    controller = app.Worker(
        hostname=worker.name,
        concurrency=worker.slots,
        pool="prefork",
        queues=list(worker.queues),
        loglevel="INFO",
        without_mingle=True,
        without_gossip=True,
    )
    controller.start()
    signal.alarm(0)
    return int(controller.exitcode or 0)


def _cut_off(_number: int, _frame: FrameType | None) -> None:
    """End the worker at once though Celery still waits, as it does for a Redis that does not answer.

    What its slots still hold is given to others when the leases run out.
    """
    for child in billiard.active_children():
        os.kill(child.pid, signal.SIGKILL)
    os._exit(EX_FAILURE)


def _allow_runners(**_: Any) -> None:
    """Celery's pool makes its children daemonic, and those may not have children; slots fork runners."""
    multiprocessing.current_process().daemon = False


def _step(presence: Presence) -> type[bootsteps.StartStopStep]:
    """A step of the Celery worker that beats while it runs."""

    class Beating(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
        requires = ("celery.worker.components:Timer",)

        def start(self, parent: WorkController) -> None:
            presence.beat()
            self._beats = parent.timer.call_repeatedly(ledger.BEAT_S, presence.beat)

        def stop(self, _parent: WorkController) -> None:
            self._beats.cancel()
            presence.end()

    return Beating
