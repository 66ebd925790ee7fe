"""Its HTTP endpoint."""

from ..http_adapter import HttpAdapter as Adapter

__all__ = ["Adapter"]
