"""Metrics of one node: its workers, as they announced themselves within the last second."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from redis.exceptions import ResponseError

from stoker.errors import StokerError
from stoker.ledger import presence
from stoker.settings import Settings

from .families import Samples, gauge, gauges
from .serving import hurried

_log = logging.getLogger(__name__)

# Of each gauge: its name, its documentation, and its value, None if unknown.
_GAUGES: tuple[tuple[str, str, Callable[[presence.Worker], float | None]], ...] = (
    ("stoker_node_slots", "Jobs that the worker can run at once.", lambda worker: worker.slots),
    ("stoker_node_slots_most", "Slots that the worker may be asked for.", lambda worker: worker.most_slots),
    ("stoker_node_slots_busy", "Slots of the worker that have a job or a lane in hand.", lambda worker: worker.busy),
    (
        "stoker_node_memory_bytes",
        "Memory that the worker's jobs may use together.",
        lambda worker: worker.memory_bytes,
    ),
    ("stoker_node_memory_used_bytes", "Memory that the worker's jobs use.", lambda worker: worker.memory_used_bytes),
    ("stoker_node_gpu_memory_bytes", "Memory of the GPU.", lambda worker: worker.gpu_memory_bytes),
    (
        "stoker_node_gpu_memory_used_bytes",
        "Memory of the GPU in use, by whomever.",
        lambda worker: worker.gpu_memory_used_bytes,
    ),
    (
        "stoker_node_gpu_utilisation_ratio",
        "Share of the last moment in which the GPU computed, 0 to 1.",
        lambda worker: worker.gpu_utilisation,
    ),
)


class NodeCollector(Collector):
    """The metrics of a node's workers, by device.

    Args:
        node: its name.
        devices: those with a worker: cpu, gpu:<number> or tpu.
    """

    def __init__(self, settings: Settings, redis_url: str, node: str, devices: Sequence[str]) -> None:
        self._connection = hurried(settings, redis_url)
        self._node = node
        self._devices = devices

    def collect(self) -> Iterable[Metric]:
        """The metrics of the workers' announcements; only `stoker_up` = 0 if Redis is away."""
        try:
            workers = self._connection.run(presence.workers())
        except (StokerError, ResponseError) as error:
            _log.warning("nothing to scrape: %s", error)
            yield gauge("stoker_up", "Whether Redis answered this scrape: 1 or 0.", 0)
            return
        yield gauge("stoker_up", "Whether Redis answered this scrape: 1 or 0.", 1)
        mine = {_device(worker): worker for worker in workers if worker.node == self._node}
        yield from self._describe({device: mine.get(device) for device in self._devices})

    def _describe(self, workers: dict[str, presence.Worker | None]) -> Iterator[Metric]:
        yield gauges(
            "stoker_node_worker_present",
            "Whether the worker was heard of lately: 1 or 0.",
            ("device",),
            {(device,): worker is not None for device, worker in workers.items()},
        )
        for name, documentation, value in _GAUGES:
            values = {device: value(worker) for device, worker in workers.items() if worker}
            known: Samples = {(device,): number for device, number in values.items() if number is not None}
            if known:
                yield gauges(name, documentation, ("device",), known)


def _device(worker: presence.Worker) -> str:
    """A worker's device with its number: its Celery name begins with that, without the colon."""
    return worker.name.partition("-")[0].replace("gpu", "gpu:")
