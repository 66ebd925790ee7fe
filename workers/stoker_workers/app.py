"""The Celery worker: tasks, a sign of life every few seconds, and the drain on shutdown."""

import multiprocessing
import os
import platform
from typing import Any

from celery import bootsteps, signals
from celery.worker import WorkController

from stoker import ledger
from stoker.broker import celery_app
from stoker.settings import Settings
from stoker.topology import WorkDevice, queues_of

from .presence import Presence
from .slot import Slot
from .tasks import register_tasks


def run_worker(settings: Settings, redis_url: str, device: WorkDevice) -> int:
    """Serve the queues of a device until told to stop; gives the exit status.

    SIGTERM drains: running jobs save a checkpoint and go back to their queue. A second one hurries.
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
    slot = Slot(settings, redis_url, worker.name)
    register_tasks(app, slot)
    app.steps["worker"].add(_step(Presence(worker, settings, redis_url)))

    def drain(**_: Any) -> None:
        slot.draining.set()

    signals.worker_shutting_down.connect(drain, weak=False)
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
    return int(controller.exitcode or 0)


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
