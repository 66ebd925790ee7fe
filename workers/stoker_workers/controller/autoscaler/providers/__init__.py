"""Who starts and ends the nodes of a fleet."""

from collections.abc import Collection
from typing import Protocol

from stoker.fleet.bounds import FleetSettings
from stoker.fleet.topology import WorkDevice
from stoker.settings import Settings

from .kubernetes import Kubernetes
from .process import Processes


class Provider(Protocol):
    """Starts and ends nodes. Whatever it raises is a StokerError, and is tried again in the next round."""

    def nodes(self) -> int:
        """How many nodes there are or shall be."""

    def owns(self, node: str) -> bool:
        """Whether a node that announced itself under this name is one of them."""

    def scale(self, nodes: int, idle: Collection[str]) -> None:
        """Have so many nodes, without waiting for them; one that ends hands its jobs back first.

        Args:
            idle: names of nodes that have nothing in hand, and go first where there is a choice.
        """

    def close(self) -> None:
        """Let go, because another controller leads now or this one ends."""


def provider_of(fleet: FleetSettings, device: WorkDevice, settings: Settings, redis_url: str) -> Provider | None:
    """The provider that a fleet's settings name; None if nobody starts nodes."""
    match fleet.provider:
        case "process":
            return Processes(device, settings, redis_url)
        case "kubernetes":
            return Kubernetes(fleet)
    return None
