"""A worker's resources and load, as it announces them in the ledger."""

import os
import platform

from stoker.fleet.topology import WorkDevice, mailbox_of, queues_of
from stoker.kinds import KINDS
from stoker.ledger import presence
from stoker.settings import Settings
from stoker.version import RELEASE

from . import confined, machine, packages
from .machine import Gpu, Probe


class Capacity:
    """One worker's device, resources and load.

    Args:
        device: cpu, gpu:<number> or tpu.
        memory_bytes: memory for all its jobs together; None for all of the machine's.
        node_gpus: how many GPUs of its node have a worker.
    """

    def __init__(
        self, settings: Settings, device: str, memory_bytes: int | None, probe: Probe, node_gpus: int = 0
    ) -> None:
        self._probe = probe
        self._gpu = _gpu(device, probe)
        kind, _, number = device.partition(":")
        self.device: WorkDevice = "gpu" if kind == "gpu" else "tpu" if kind == "tpu" else "cpu"
        cores = machine.cores()
        default = max(2, cores) if self.device == "cpu" else 1
        slots = settings.slots or default
        offers = (*packages.installed(settings.offers), *packages.optional())
        name = f"{kind}{number}-{os.getpid()}@{platform.node()}"
        self.worker = presence.Worker(
            name=name,
            node=settings.node or platform.node(),
            device=self.device,
            slots=slots,
            most_slots=settings.most_slots or max(slots, default),
            queues=queues_of(self.device),
            mailbox=mailbox_of(self.device, name),
            kinds=tuple(KINDS),
            offers=offers,
            packages=packages.versions(offers),
            release=RELEASE,
            host=platform.node(),
            pid=os.getpid(),
            cpus=cores,
            memory_bytes=memory_bytes or machine.memory_bytes(),
            node_gpus=node_gpus,
            gpu=self._gpu.name if self._gpu else None,
            gpu_memory_bytes=self._gpu.memory_bytes if self._gpu else None,
            unconfined=confined.refused_here(),
        )

    def now(self, slots: int, busy: int, memory_used_bytes: int) -> presence.Worker:
        """The worker's announcement, with its load at this moment."""
        measured: dict[str, float] = {"slots": slots, "busy": busy, "memory_used_bytes": memory_used_bytes}
        if self._gpu and (load := self._probe.load(self._gpu)):
            measured |= {"gpu_memory_used_bytes": load.memory_used_bytes, "gpu_utilisation": load.utilisation}
        return self.worker.model_copy(update=measured)


def _gpu(device: str, probe: Probe) -> Gpu | None:
    if not device.startswith("gpu"):
        return None
    gpus = probe.gpus()
    return next((gpu for gpu in gpus if device in ("gpu", f"gpu:{gpu.index}")), None)
