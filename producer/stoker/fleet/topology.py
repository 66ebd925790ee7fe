"""The queues: one for each device and class of jobs."""

from collections.abc import Collection, Iterable
from types import MappingProxyType
from typing import Literal

from ..kinds import KINDS, Priority

WorkDevice = Literal["cpu", "gpu", "tpu"]
DEVICES: tuple[WorkDevice, ...] = ("cpu", "gpu", "tpu")

# Jobs of a class are alike in how long they run and what they need. A worker serves all three.
CLASSES = ("infer", "train", "batch")

# Celery on Redis takes the lowest number first and treats 0 as the default, so 0 stays free and "normal" is explicit.
PRIORITY_STEPS = (0, 3, 6, 9)
PRIORITIES: MappingProxyType[Priority, int] = MappingProxyType({"high": 3, "normal": 6, "low": 9})
# kombu keeps one Redis list per priority, named `<queue><separator><step>`, and a bare `<queue>` for step 0.
KOMBU_SEPARATOR = "\x06\x16"


def queue_for(kind: str, device: WorkDevice) -> str:
    """The Celery queue of a job kind on a device, e.g. "cpu.train"."""
    return f"{device}.{KINDS[kind].queue}"


def device_of(queue: str) -> WorkDevice:
    """The device that a queue's jobs run on; the CPU where a newer Stoker has named the queue."""
    return next((device for device in DEVICES if queue.startswith(f"{device}.")), "cpu")


def request_queue(device: WorkDevice) -> str:
    """The Celery queue of the doorbells of lanes."""
    return f"{device}.infer"


def served_request_queue(served: Collection[str]) -> str:
    """The first of these queues that workers serve, the CPU's first; the CPU's if they serve none."""
    return next((queue for queue in map(request_queue, DEVICES) if queue in served), request_queue("cpu"))


def queues_of(device: WorkDevice) -> tuple[str, ...]:
    """Every queue that a worker of this device serves."""
    return tuple(f"{device}.{name}" for name in CLASSES)


def mailbox_of(device: WorkDevice, worker: str) -> str:
    """The Celery queue that only this worker serves."""
    return f"{device}.of.{worker}"


def queues() -> tuple[str, ...]:
    """Every queue there is."""
    return tuple(queue for device in DEVICES for queue in queues_of(device))


def lists_of(names: Iterable[str]) -> tuple[str, ...]:
    """The Redis lists in which kombu keeps the messages of some queues."""
    return tuple(f"{queue}{KOMBU_SEPARATOR}{step}" for queue in names for step in PRIORITIES.values())
