"""A bound of memory around the loading of a file that nobody here has written."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LEAST = 2 << 30
# Weights are in the file, in memory as they are read, in the model, and packed for the processor.
_COPIES = 12


@contextmanager
def bounded_memory(file_bytes: int) -> Iterator[None]:
    """Let this process allocate no more than a model of a file's size needs, while the block runs.

    What goes beyond is an error of the framework, or ends the process, which is one job's. Only Linux counts the
    data of a process so; elsewhere the slot's own watch over memory is all there is.
    """
    held = _data_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if held is None:
        yield
        return
    most = held + max(_LEAST, _COPIES * file_bytes)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int | None:
    """The private memory that this process may write to; None where unknown."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmData:")]
    return int(line.split()[1]) * 1024
