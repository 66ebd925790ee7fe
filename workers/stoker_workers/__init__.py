"""The heavy half of Stoker: what a fleet runs; and `Run`, what a function that it runs sees of its job."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .functions.context import Run

__all__ = ["Run"]


def __getattr__(name: str) -> object:
    """`Run`, loaded when it is first named: the fleet's processes start without it."""
    if name == "Run":
        from .functions.context import Run

        return Run
    raise AttributeError(f"module 'stoker_workers' has no attribute {name!r}")
