"""What Prometheus scrapes from a controller and from the agent of a node; docs/metrics.md lists it."""

from .ledger import LedgerCollector
from .node import NodeCollector
from .serving import served

__all__ = ["LedgerCollector", "NodeCollector", "served"]
