"""Nodes as processes of this machine."""

import os
import platform
import sys
import threading
from collections.abc import Collection, Sequence
from typing import Self

from stoker.fleet.topology import WorkDevice
from stoker.local.subprocesses import Subprocess, Supervised
from stoker.settings import Settings

# As for `stoker up`: longer than a worker gives its jobs to save a checkpoint.
_DRAIN_S = 75.0


class Processes:
    """One `stoker worker` for each node. It is started again when it crashes, and ends when this process does.

    Args:
        command: what runs a node.
    """

    def __init__(
        self, device: WorkDevice, settings: Settings, redis_url: str, *, command: Sequence[str] | None = None
    ) -> None:
        self._device = device
        self._settings = settings
        self._command = command or (sys.executable, "-m", "stoker.cli", "worker", "--device", device)
        self._environment = os.environ | settings.environment() | {"STOKER_REDIS_URL": redis_url}
        self._nodes: dict[str, Supervised] = {}
        self._ending: list[threading.Thread] = []
        self._number = 0

    def nodes(self) -> int:
        """How many run, or start."""
        return len(self._nodes)

    def owns(self, node: str) -> bool:
        """Whether it was started here."""
        return node in self._nodes

    def scale(self, nodes: int, idle: Collection[str]) -> None:
        """Start nodes, or drain idle ones, and else the newest."""
        while len(self._nodes) < nodes:
            self._number += 1
            name = f"{platform.node()}-{os.getpid()}-{self._device}-{self._number}"
            self._nodes[name] = self._started(name)
        while len(self._nodes) > nodes:
            newest = list(reversed(self._nodes))
            self._end(self._nodes.pop(next((name for name in newest if name in idle), newest[0])))

    def close(self) -> None:
        """Drain all nodes, and wait until they have ended."""
        self.scale(0, ())
        for ending in self._ending:
            ending.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self, name: str) -> Supervised:
        folder = self._settings.home / "logs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = folder / f"{self._device}-node-{self._number}.log"

        def start() -> Subprocess:
            return Subprocess(self._command, log=log, environment=self._environment | {"STOKER_NODE": name})

        return Supervised(start(), start, grace_s=_DRAIN_S).__enter__()

    def _end(self, node: Supervised) -> None:
        """Drain a node aside: that takes as long as its jobs need for a checkpoint."""
        self._ending = [ending for ending in self._ending if ending.is_alive()]
        ending = threading.Thread(target=lambda: node.__exit__(None, None, None), name="draining a node")
        ending.start()
        self._ending.append(ending)
