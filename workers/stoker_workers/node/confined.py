"""Limits of the process that opens a file which nobody here has written: its memory, files and network."""

import fcntl
import os
import resource
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import landlock, namespaces

_LEAST = 2 << 30
# Weights are in the file, in memory as they are read, in the model, and packed for the processor.
_COPIES = 12
# Of a framework that opens one model there are some dozens.
_MOST_OPEN = 1024
# What a GPU's driver writes to.
_DEVICES = ("null", "nvidia*")
# Where it prints: the job's own log.
_PRINTS = (1, 2)


def confine(folder: Path, file_bytes: int, kept: int | None = None) -> tuple[str, ...]:
    """Limit this process for good; gives what the kernel refuses, which is then left out.

    It may have no more memory than a model of a file's size needs, no more than 1,024 files open, and write none that
    is larger than half of what the disk has free. Where Linux allows, it writes, and makes files, only in and below a
    folder, starts no program, and reaches nothing over the network: sockets, pipes and files to write to that it has
    inherited lead nowhere, but for those where it prints.

    Args:
        folder: what it may write to.
        kept: the descriptor of a socket or pipe that stays.
    """
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_NOFILE, _MOST_OPEN)
    _bound(resource.RLIMIT_FSIZE, shutil.disk_usage(folder).free // 2)
    if (used := _data_bytes()) is not None:
        _bound(resource.RLIMIT_DATA, used + max(_LEAST, _COPIES * file_bytes))
    if sys.platform != "linux":
        return ("no network: only Linux can",)
    _let_go(kept)
    devices = [path for name in _DEVICES for path in Path("/dev").glob(name)]
    return tuple(
        f"{what}: {refusal}"
        for what, attempt in (
            ("no network", _cut_off),
            ("no files but its own", lambda: landlock.restrict(folder, devices)),
        )
        if (refusal := attempt())
    )


def refused_here() -> tuple[str, ...]:
    """What the kernel of this machine refuses to `confine`; empty if nothing. Asks by a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            code = 1
            # Nothing of its parent's is to run in it.
            try:
                os.write(writer, "\n".join(confine(Path(folder), 0, writer)).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        with os.fdopen(reader) as answer:
            told = answer.read()
        _, status = os.waitpid(child, 0)
    if status:
        return ("limits: the process that tried them did not come to its end, so no model can be imported here",)
    return tuple(told.splitlines())


def _bound(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _cut_off() -> str | None:
    """Leave the network; why not, if that cannot be: a kernel that has no namespaces for us may forbid TCP at least."""
    refusal = namespaces.leave_network()
    if refusal and landlock.forbids_tcp():
        return f"TCP is forbidden, UDP is not: {refusal}"
    return refusal


def _let_go(kept: int | None) -> None:
    """Lead sockets, and pipes and files to write to, of the processes that this one was forked from nowhere.

    They stay open, for something may yet close them, and would close what has their number by then.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    prints = [os.fstat(number) for number in (*_PRINTS, *_printing())]
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # numbers, not paths
        number = int(name)
        with suppress(OSError):  # that of the list itself
            known = os.fstat(number)
            if number != kept and _leads_out(number, known) and not any(os.path.samestat(known, own) for own in prints):
                os.dup2(nowhere, number, inheritable=False)
    os.close(nowhere)


def _printing() -> Iterator[int]:
    """The descriptors that Python prints to, where these are not the usual ones."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # one that is none of the system's, or is closed
            yield stream.fileno()


def _leads_out(number: int, known: os.stat_result) -> bool:
    """Whether what is written to a descriptor reaches somebody."""
    if stat.S_ISSOCK(known.st_mode):
        return True
    is_file = stat.S_ISREG(known.st_mode) or stat.S_ISFIFO(known.st_mode)
    return is_file and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _data_bytes() -> int | None:
    """The private memory that this process may write to; None where unknown."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmData:")]
    return int(line.split()[1]) * 1024
