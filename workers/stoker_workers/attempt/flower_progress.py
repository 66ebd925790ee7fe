"""Celery's events of a running job's progress, for Flower and `celery events`, as long as anyone watches."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from celery import bootsteps
from celery.worker.consumer import Consumer

from stoker.errors import StokerError
from stoker.events import Epoch, Event, Progress
from stoker.kinds import Spec, kind_of
from stoker.kinds.tasks import task_name
from stoker.redis.calls import Call
from stoker.redis.connection import Connection

from .extras import Extra
from .slot import Slot

# Flower asks for events every five seconds; a second more goes unnoticed.
_LOOK_S = 1.0


def await_watchers(slot: Slot) -> type[bootsteps.StartStopStep]:
    """A step of the Celery worker that tells its slots whether anyone has asked for events."""

    class Watching(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
        requires = ("celery.worker.consumer.events:Events",)

        def start(self, consumer: Consumer) -> None:
            def look() -> None:
                slot.watched = "task" in (consumer.event_dispatcher.groups or ())

            self._looks = consumer.timer.call_repeatedly(_LOOK_S, look)

        def stop(self, _consumer: Consumer) -> None:
            self._looks.cancel()

    return Watching


class FlowerProgress(Extra):
    """Shows in words how far a job is, as the result of a task in state PROGRESS; nobody is waited for.

    What the task is goes along, for a monitor that came after the job had begun.
    """

    def __init__(self, slot: Slot, job_id: str, spec: Spec) -> None:
        self._slot = slot
        self._job_id = job_id
        self._spec = spec

    def reported(self, events: Sequence[Event]) -> None:
        """Show the newest of them that says how far the job is."""
        newest = next((event for event in reversed(events) if isinstance(event, Epoch | Progress)), None)
        if not newest or not self._slot.watched:
            return
        fields = {
            "uuid": self._job_id,
            "name": task_name(self._spec.kind),
            "args": f"({kind_of(self._spec).summary(self._spec)})",
            "result": " ".join(newest.words().split()),
            "hostname": self._slot.worker,
            "pid": os.getpid(),
        }
        # Where this fails, the next one comes soon, and nothing depends on it.
        with suppress(StokerError):
            connection = self._slot.connection
            connection.run(_publish(connection, "task-progress", fields), patience_s=0)


def _publish(connection: Connection, kind: str, fields: dict[str, Any]) -> Call[None]:
    """An event as Celery publishes it on Redis.

    Celery's own way would open another connection in each slot, and wait without end for a Redis that is away.
    """
    database = connection.client.connection_pool.connection_kwargs.get("db") or 0
    routing_key = kind.replace("-", ".")
    event = {"type": kind, "timestamp": time.time(), "utcoffset": time.timezone // 3600, **fields}
    message = {
        "body": json.dumps(event),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"hostname": fields["hostname"]},
        "properties": {
            "delivery_info": {"exchange": "celeryev", "routing_key": routing_key},
            "delivery_mode": 1,
            "delivery_tag": "",
            "priority": 0,
        },
    }
    return Call(("PUBLISH", f"/{database}.celeryev/{routing_key}", json.dumps(message)), lambda _: None)
