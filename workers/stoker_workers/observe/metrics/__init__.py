"""Prometheus metrics of a controller and of a node's agent; docs/metrics.md lists them."""

from .ledger import LedgerCollector
from .node import NodeCollector
from .serving import served

__all__ = ["LedgerCollector", "NodeCollector", "served"]
