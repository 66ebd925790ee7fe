"""The processes of a system: stopped while it has no turn, and what they take of the processor while it has.

Idle, some of them would still take a good part of a core.
"""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from stoker.local import watchdog

# Of whichever copy of Stoker.
_WATCHDOG = Path(watchdog.__file__).parts[-3:]


@contextmanager
def paused(roots: Iterable[psutil.Process]) -> Iterator[None]:
    """Keep all that these processes have started from running, for the length of a with block.

    Watchdogs run on: they would kill their group, and so what they watch, if we died.
    """
    stopped = [process for root in roots for process in _below(root) if not _is_watchdog(process)]
    try:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def spent_s(roots: Iterable[psutil.Process]) -> float:
    """The processor's time that these processes, all their children and those of them that have ended have had."""
    total = 0.0
    for process in itertools.chain.from_iterable((root, *_below(root)) for root in roots):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def listening(roots: Iterable[psutil.Process], port: int) -> list[psutil.Process]:
    """Of all that these processes have started, those that listen on a port."""
    found = []
    for process in itertools.chain.from_iterable((root, *_below(root)) for root in roots):
        with suppress(psutil.NoSuchProcess):
            if any(each.laddr and each.laddr.port == port for each in process.net_connections("tcp") if not each.raddr):
                found.append(process)
    return found


def own_s(processes: Iterable[psutil.Process]) -> float:
    """The processor's time that these processes have had by themselves, without their children."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total


def _below(root: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return root.children(recursive=True)
    return []


def _is_watchdog(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return any(Path(argument).parts[-3:] == _WATCHDOG for argument in process.cmdline())
    return False
