"""Stops the processes of systems that have no turn: idle, some of them would still take a good part of a core."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def paused(roots: Iterable[psutil.Process]) -> Iterator[None]:
    """Keep all that these processes have started from running, for the length of a with block.

    The roots run on: they are the guards that would kill their group if we died.
    """
    stopped = [process for root in roots for process in _below(root)]
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _below(root: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return root.children(recursive=True)
    return []
