"""The Celery worker: its tasks, a heartbeat every second, a resizable pool of slots, and the drain on shutdown."""

import gc
import logging
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any, cast

import billiard
from celery import bootsteps, signals
from celery.platforms import EX_FAILURE
from celery.worker import WorkController
from celery.worker.consumer import Consumer
from kombu.asynchronous import Hub
from kombu.asynchronous.timer import Entry
from kombu.entity import Queue
from pydantic import BaseModel

from stoker.errors import Unavailable
from stoker.fleet.topology import WorkDevice, request_queue
from stoker.kinds import SPEC
from stoker.ledger import attempts, presence
from stoker.models.described import Described
from stoker.redis.celery_app import celery_app
from stoker.security.signatures import signatures_of
from stoker.settings import Settings
from stoker.terminal.process_log import ProcessLog

from ..attempt.dependencies import DependencyWatch
from ..attempt.flower_progress import await_watchers
from ..attempt.process import ForkedProcess
from ..attempt.scratch import Scratch, remove_abandoned
from ..attempt.slot import GRACE_S, Slot
from ..ml import accelerator
from ..node.capacity import Capacity
from ..observe import tracing
from .control import register_commands
from .guard import guarded
from .heartbeat import LISTEN_S, Heartbeat
from .pool import SlotPool
from .tasks import register_tasks

_log = logging.getLogger(__name__)

# How long a drain may take after the jobs have stopped: a round trip to Redis, or its timeout.
_HURRY_S = 10


def run_worker(settings: Settings, redis_url: str, capacity: Capacity) -> int:
    """Serve the queues of a device until SIGTERM; gives the exit status.

    SIGTERM drains: running jobs save a checkpoint and go back to their queue. At a second one they go back at once.

    Raises:
        InvalidSettings: the settings want traces, and OpenTelemetry is not installed; or they name keys that cannot be
            read.
        Unavailable: TensorFlow does not see the device.
    """
    tracing.check(settings)
    signatures_of(settings).read()
    remove_abandoned()
    scratch = Scratch()
    scratch.adopt()
    # After multiprocessing has removed its own files there, at priority -100.
    Finalize(None, scratch.remove, exitpriority=-200)
    worker = capacity.worker
    if worker.device != "cpu":
        _require(worker.device)
    app = celery_app(settings, redis_url)
    # What is in its mailbox has had its turn, and comes before what is on the queues.
    served = (worker.mailbox, *worker.queues)
    # Not declared: kombu would keep a binding of it for ever. The ledger writes to it without one.
    app.amqp.queues.add(Queue(worker.mailbox, routing_key=worker.mailbox, no_declare=True))
    slot = Slot(settings, redis_url, worker)
    lanes_queue = request_queue(worker.device)
    app.amqp.Connection = guarded(
        lambda queues: queues if slot.takes_jobs else [queue for queue in queues if queue == lanes_queue]
    )
    register_tasks(app, slot, served)
    register_commands(settings, redis_url)
    app.steps["consumer"].add(await_watchers(slot))
    app.steps["worker"].add(_step(capacity, slot))
    _connect_signals(slot, worker.unconfined, settings.log("worker", worker.name))
    # Else each child would build and link what it needs at its first job, for a tenth of a second, and a child that is
    # forked meanwhile would find pydantic locked.
    _build(Described)
    SPEC.rebuild()
    attempts.link()
    # Celery collects garbage before each fork. To look through the half million objects of TensorFlow's import would
    # take longer than the fork, and the children would write to all their pages.
    gc.collect()
    gc.freeze()
    controller = app.Worker(
        hostname=worker.name,
        concurrency=worker.slots,
        pool=SlotPool,
        queues=list(served),
        loglevel=settings.log_level.upper(),
        without_mingle=True,
        without_gossip=True,
    )
    controller.start()
    signal.alarm(0)
    return int(controller.exitcode or 0)


def _build(models: type[BaseModel]) -> None:
    """Build the models below one that are otherwise built when they are first used."""
    for model in models.__subclasses__():
        model.model_rebuild()
        _build(model)


def _connect_signals(slot: Slot, unconfined: Sequence[str], log: ProcessLog) -> None:
    """React to Celery's signals of the worker, its loggers and its children."""

    def drain(**_: Any) -> None:
        slot.stop()
        signal.alarm(_HURRY_S if slot.hurrying else round(GRACE_S["drain"]) + _HURRY_S)

    signals.worker_shutting_down.connect(drain, weak=False)
    signal.signal(signal.SIGALRM, _cut_off)
    for configured in (signals.after_setup_logger, signals.after_setup_task_logger):
        configured.connect(lambda logger, **_: log.lead(logger), weak=False)
    if unconfined:
        line = "models made elsewhere are opened less confined than they could be, for this kernel refuses %s"
        signals.worker_ready.connect(lambda **_: _log.warning(line, "; ".join(unconfined)), weak=False)
    signals.worker_process_init.connect(_start_slot, weak=False)
    signals.worker_process_shutdown.connect(lambda **_: slot.close(), weak=False)


def _cut_off(_number: int, _frame: FrameType | None) -> None:
    """End the worker at once although Celery still waits, for example for a Redis that does not answer.

    The jobs of its slots go to others when their leases run out.
    """
    for child in billiard.active_children():
        os.kill(child.pid, signal.SIGKILL)
    os._exit(EX_FAILURE)


def _require(device: WorkDevice) -> None:
    """Look for the device in a process of its own: this one must not use TensorFlow."""
    child = ForkedProcess(_look, device)
    try:
        missing = child.pipe.recv_bytes().decode()
    except EOFError:
        missing = f"looking for the {device} ended its process, which {child.join()}"
    finally:
        child.close()
    if missing:
        raise Unavailable(missing)


def _look(pipe: Connection, device: WorkDevice) -> None:
    missing = ""
    try:
        accelerator.require(device)
    except Unavailable as error:
        missing = error.message
    pipe.send_bytes(missing.encode())


def _start_slot(**_: Any) -> None:
    """Remove the files of a slot that died before, and allow children, which Celery's pool forbids."""
    remove_abandoned()
    multiprocessing.current_process().daemon = False


def _step(capacity: Capacity, slot: Slot) -> type[bootsteps.StartStopStep]:
    """A step of the Celery worker that sends its heartbeat and resizes its pool."""

    class Beating(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
        requires = ("celery.worker.components:Pool",)

        def start(self, parent: WorkController) -> None:
            self._pool = pool = cast("SlotPool", parent.pool)
            pool.takes = lambda: _is_polling(parent.consumer)

            def describe() -> presence.Worker:
                worker = capacity.now(pool.size, pool.busy, slot.used_bytes(pool.places))
                return worker.model_copy(update={"outages": slot.dependencies.ongoing()})

            def resize(slots: int) -> None:
                pool.resize(min(slots, capacity.worker.most_slots))

            self._heartbeat = Heartbeat(describe, resize, slot.settings, slot.redis_url)
            self._dependencies = DependencyWatch(slot.dependencies, slot.settings)
            self._beat()
            self._timer = parent.timer
            self._beats = self._timer.call_repeatedly(presence.BEAT_S, self._beat)
            self._listens: Entry | None = None

        def register_with_event_loop(self, _parent: WorkController, hub: Hub) -> None:
            hub.on_tick.add(self._turn)

        def _turn(self) -> None:
            is_full = self._pool.busy >= self._pool.size
            if is_full and self._listens is None:
                self._listens = self._timer.call_repeatedly(LISTEN_S, self._heartbeat.listen)
            elif self._listens and not is_full:
                self._end_listening()
            self._pool.settle()
            for task in self._pool.take_lost():
                self._heartbeat.lost(task)
            if self._pool.size != self._announced:
                self._beat()

        def _beat(self) -> None:
            self._announced = self._pool.size
            self._dependencies.step()
            self._heartbeat.beat()

        def _end_listening(self) -> None:
            if self._listens:
                self._listens.cancel()
                self._listens = None

        def stop(self, _parent: WorkController) -> None:
            self._beats.cancel()
            self._end_listening()
            self._dependencies.end()
            self._heartbeat.end()

    return Beating


def _is_polling(consumer: Consumer) -> bool:
    """Whether the worker is reading its next message from Redis."""
    return bool(consumer.task_consumer and consumer.task_consumer.channel._in_poll)  # noqa: SLF001
