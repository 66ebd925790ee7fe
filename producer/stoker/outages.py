"""Outages: what jobs and workers depend on besides the ledger's Redis, and how its absence is told from other failures.

A failure is one of three, and each edge of a process asks here which:

- the job's own fault: no data of this name, a file that is malformed. The job is FAILED;
- an outage: something is away that comes back. The job waits in its queue, and it costs it no attempt;
- the loss of a worker: its process died. That counts towards the job's `max_attempts`.
"""

import errno
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from .errors import Unavailable
from .terminal.printable import Encodable


class Dependency(StrEnum):
    """What can be away."""

    STORE = "store"
    """The artifact store: every job needs it."""
    DISK = "disk"
    """The temporary folder of one node: its jobs need it."""
    DATA = "data"
    """The host of a job's data: only the jobs that read it need it."""
    RESULTS = "results"
    """The Redis of Celery's results, where it is another than the ledger's: no job needs it."""


class Outage(BaseModel):
    """Something is away.

    Attributes:
        of: a `Dependency`, or one that a newer version knows.
        reason: one line for a person.
    """

    model_config = ConfigDict(frozen=True)

    of: str
    reason: Encodable


class Fault(StrEnum):
    """Why something cannot be read."""

    AWAY = "away"
    """Its host or file system is away, slow or broken off, which passes; whoever named it is at fault otherwise."""
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    NO_PATH = "no path"
    """What names it can name no file."""
    UNREADABLE = "unreadable"
    """For another reason."""


class OngoingOutage(Outage):
    """An outage that was first met at `since`, UTC."""

    since: datetime


class DependencyUnavailable(Unavailable):
    """A dependency is away, which is nobody's fault and will pass."""

    def __init__(self, outage: Outage) -> None:
        super().__init__(outage.reason)
        self.outage = outage


# A disk with less free is taken for the full one, where an error does not say which disk it means.
_NEARLY_FULL_BYTES = 64 << 20
_BROKEN_DISK = (errno.EROFS, errno.EIO)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
# What this machine lacks, whatever it reads.
_LACKS = (*_NO_SPACE, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
# All other numbers are of a file system that is away, or broken.
_NUMBERS = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EISDIR), Fault.MISSING),
    **dict.fromkeys((errno.EACCES, errno.EPERM), Fault.FORBIDDEN),
    **dict.fromkeys((errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP), Fault.NO_PATH),
    **dict.fromkeys((errno.EEXIST, errno.EBADF, errno.ESPIPE, errno.EFBIG), Fault.UNREADABLE),
}
# 408, 425 and 429 are of a host that is there and may serve the same request later.
_STATUSES = {
    **dict.fromkeys((408, 425, 429), Fault.AWAY),
    **dict.fromkeys((404, 410), Fault.MISSING),
    **dict.fromkeys((401, 403), Fault.FORBIDDEN),
}
# Libraries of file systems whose errors are not all OSErrors.
_CLIENTS = (
    "aiobotocore",
    "aiohttp",
    "azure",
    "botocore",
    "ftplib",
    "google",
    "http",
    "paramiko",
    "requests",
    "urllib3",
)


def has_no_space(error: BaseException) -> bool:
    """Whether a disk, or somebody's share of it, is full."""
    # TensorFlow and HDF5 tell the number only in words.
    return _errno(error) in _NO_SPACE or any(os.strerror(number) in str(error) for number in _NO_SPACE)


def is_machine_fault(error: BaseException) -> bool:
    """Whether this machine lacks something that another may have, or its disk fails: no job or model is to blame."""
    return _errno(error) in (*_LACKS, *_BROKEN_DISK)


def temporary_folder() -> str:
    """What the temporary folder of this node is called in reasons."""
    return f"the temporary folder {tempfile.gettempdir()} of {platform.node()}"


def disk_outage(error: BaseException) -> Outage | None:
    """The outage that an error tells of if the temporary folder of this node is full or broken; None if it is not.

    What a job's own code writes elsewhere is its own affair.
    """
    folder = tempfile.gettempdir()
    if not (has_no_space(error) or _errno(error) in _BROKEN_DISK):
        return None
    if folder in str(error) or (getattr(error, "filename", None) is None and _is_nearly_full(folder)):
        return outage(Dependency.DISK, temporary_folder(), error)
    return None


def _is_nearly_full(folder: str) -> bool:
    """Whether there is hardly room; one that is gone, or does not answer, is not what an error without a path means."""
    try:
        return free_bytes(folder) < _NEARLY_FULL_BYTES
    except OSError:
        return False


def lacks_room(of: Dependency, what: str, folder: str | Path, least_free_bytes: int) -> Outage | None:
    """Whether nothing can be written to a local folder: it is read-only, or has less free than that. Writes nothing.

    A folder that is not there yet is judged by the one that it would be made in. It may hang as long as a mount does.
    """
    try:
        found = _file_system(Path(folder))
    except OSError as error:
        return outage(of, what, error)
    if found.f_flag & os.ST_RDONLY:
        return Outage(of=of, reason=f"{what} is read-only: mount it to be written to")
    free = found.f_bavail * found.f_frsize
    if free < least_free_bytes:
        reason = f"{what} has no space left: {free:,} bytes are free, and {least_free_bytes:,} must be; free some"
        return Outage(of=of, reason=reason)
    return None


def _file_system(path: Path) -> os.statvfs_result:
    try:
        return os.statvfs(path)
    except (FileNotFoundError, NotADirectoryError):
        if path == path.parent:
            raise
        return _file_system(path.parent)


def free_bytes(folder: str | Path) -> int:
    """How much may be written to a folder's file system."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fault_of(error: BaseException) -> Fault | None:
    """Why something could not be read; None if an error is not of a host or a file system."""
    causes = [error]
    while (cause := causes[-1].__cause__) and cause not in causes:
        causes.append(cause)
    # The innermost one knows best: fsspec turns whatever it meets into "no such file".
    return next((fault for one in reversed(causes) if (fault := _fault(one)) is not None), None)


def fault_of_status(status: int) -> Fault:
    """Why something could not be read, if a host has answered with this status of HTTP."""
    return Fault.AWAY if status >= 500 else _STATUSES.get(status, Fault.UNREADABLE)


def _fault(error: BaseException) -> Fault | None:
    """What one error says by itself, without its causes."""
    status = _http_status(error)
    if status is not None:
        return fault_of_status(status)
    if isinstance(error, TimeoutError | ConnectionError):
        return Fault.AWAY
    number = _errno(error)
    if number is not None:
        return None if number in _LACKS else _NUMBERS.get(number, Fault.AWAY)
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return Fault.MISSING
    if isinstance(error, PermissionError):
        return Fault.FORBIDDEN
    if any(parent.__module__.partition(".")[0] in _CLIENTS for parent in type(error).__mro__):
        return Fault.AWAY
    return Fault.UNREADABLE if isinstance(error, OSError) else None


def _http_status(error: BaseException) -> int | None:
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return code if isinstance(code, int) else None
    return None


def _errno(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


@contextmanager
def needing(of: Dependency, what: str) -> Iterator[None]:
    """Turn errors of a dependency into its outage.

    Args:
        what: what cannot be used, to begin the reason with.

    Raises:
        DependencyUnavailable: it is away, or full.
    """
    try:
        yield
    except Unavailable:
        raise
    except Exception as error:
        if isinstance(error, OSError) or fault_of(error) is Fault.AWAY:
            raise DependencyUnavailable(outage(of, what, error)) from error
        raise


def outage(of: Dependency, what: str, error: BaseException) -> Outage:
    """The outage that an error tells of."""
    if has_no_space(error):
        return Outage(of=of, reason=f"{what} has no space left: free some, or give it more")
    hint = "; check STOKER_STORE_URL" if of == Dependency.STORE else ""
    return Outage(of=of, reason=f"{what} cannot be used: {one_line(error)}{hint}")


def one_line(error: BaseException) -> str:
    """What an error says, for a message."""
    return " ".join(str(error).split()) or type(error).__name__
