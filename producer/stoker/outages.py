"""Outages: the dependencies of jobs and workers besides the ledger's Redis, and how an outage differs from a failure.

What goes wrong in an attempt is one of three:

- the job's own fault, such as missing data or a malformed file: the job is FAILED;
- an outage, which passes: the job waits in its queue, and it costs no attempt;
- the loss of a worker, whose process died: it counts towards the job's `max_attempts`.
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
    """A dependency that can be away."""

    STORE = "store"
    """The artifact store: every job needs it."""
    DISK = "disk"
    """The temporary folder of one node: its jobs need it."""
    DATA = "data"
    """The host of a job's data: only the jobs that read it need it."""
    RESULTS = "results"
    """The Redis of Celery's results, where it is another than the ledger's: no job needs it."""


class Outage(BaseModel):
    """An outage of a dependency.

    Attributes:
        of: a `Dependency`, or one of a newer version.
        reason: one line for a person.
    """

    model_config = ConfigDict(frozen=True)

    of: str
    reason: Encodable


class Fault(StrEnum):
    """Why something cannot be read. All but AWAY are the job's own fault."""

    AWAY = "away"
    """Its host or file system is away, slow or has broken off: an outage."""
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    NO_PATH = "no path"
    """Its name cannot be a file's."""
    UNREADABLE = "unreadable"
    """Any other reason."""


class OngoingOutage(Outage):
    """An outage that was first noticed at `since`, UTC."""

    since: datetime


class RedisUnavailable(Unavailable):
    """Redis itself is out of reach, or takes no commands for now; the message says where it is."""


class DependencyUnavailable(Unavailable):
    """A dependency is away, which is nobody's fault and will pass."""

    def __init__(self, outage: Outage) -> None:
        super().__init__(outage.reason)
        self.outage = outage


# If an error does not say which disk is full, it is one with less than this free.
_NEARLY_FULL_BYTES = 64 << 20
_BROKEN_DISK = (errno.EROFS, errno.EIO)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
# Shortages of this machine, whatever it reads.
_LACKS = (*_NO_SPACE, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
# All other numbers mean that a file system is away or broken.
_NUMBERS = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EISDIR), Fault.MISSING),
    **dict.fromkeys((errno.EACCES, errno.EPERM), Fault.FORBIDDEN),
    **dict.fromkeys((errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP), Fault.NO_PATH),
    **dict.fromkeys((errno.EEXIST, errno.EBADF, errno.ESPIPE, errno.EFBIG), Fault.UNREADABLE),
}
# With 408, 425 and 429 a host may serve the same request later.
_STATUSES = {
    **dict.fromkeys((408, 425, 429), Fault.AWAY),
    **dict.fromkeys((404, 410), Fault.MISSING),
    **dict.fromkeys((401, 403), Fault.FORBIDDEN),
}
# Packages of fsspec's file systems whose errors are not all OSErrors.
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
# Of these, errors that do not pass by waiting: this machine has nothing to say who it is.
_WITHOUT_CREDENTIALS = (
    "ClientAuthenticationError",
    "CredentialUnavailableError",
    "DefaultCredentialsError",
    "NoCredentialsError",
    "PartialCredentialsError",
)


def has_no_space(error: BaseException) -> bool:
    """Whether a disk, or a user's quota of it, is full."""
    # TensorFlow's and HDF5's errors have the message, but not the number.
    return _errno(error) in _NO_SPACE or any(os.strerror(number) in str(error) for number in _NO_SPACE)


def is_machine_fault(error: BaseException) -> bool:
    """Whether this machine has a shortage or a broken disk: no job or model is to blame."""
    return _errno(error) in (*_LACKS, *_BROKEN_DISK)


def temporary_folder() -> str:
    """The name of this node's temporary folder in reasons."""
    return f"the temporary folder {tempfile.gettempdir()} of {platform.node()}"


def disk_outage(error: BaseException) -> Outage | None:
    """The outage behind an error, if this node's temporary folder is full or broken; else None.

    A job's own code that writes elsewhere is responsible for it.
    """
    folder = tempfile.gettempdir()
    if not (has_no_space(error) or _errno(error) in _BROKEN_DISK):
        return None
    if folder in str(error) or (getattr(error, "filename", None) is None and _is_nearly_full(folder)):
        return outage(Dependency.DISK, temporary_folder(), error)
    return None


def _is_nearly_full(folder: str) -> bool:
    """Whether a folder's disk is nearly full; False if the folder is gone or does not answer."""
    try:
        return free_bytes(folder) < _NEARLY_FULL_BYTES
    except OSError:
        return False


def lacks_room(of: Dependency, what: str, folder: str | Path, least_free_bytes: int) -> Outage | None:
    """The outage of a local folder that is read-only or has less than `least_free_bytes` free; else None.

    It writes nothing. For a folder that does not exist yet, it looks at the nearest parent. It hangs if a mount does.
    """
    try:
        stats = _file_system(Path(folder))
    except OSError as error:
        return outage(of, what, error)
    if stats.f_flag & os.ST_RDONLY:
        return Outage(of=of, reason=f"{what} is read-only: mount it to be written to")
    free = stats.f_bavail * stats.f_frsize
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
    """The free bytes of a folder's file system."""
    stats = os.statvfs(folder)
    return stats.f_bavail * stats.f_frsize


def fault_of(error: BaseException) -> Fault | None:
    """Why something could not be read; None if the error is not one of a host or a file system."""
    causes = [error]
    while (cause := causes[-1].__cause__) and cause not in causes:
        causes.append(cause)
    # The innermost error is the most exact: fsspec turns most errors into "no such file".
    return next((fault for cause in reversed(causes) if (fault := _fault(cause)) is not None), None)


def fault_of_status(status: int) -> Fault:
    """Why something could not be read, by a host's HTTP status."""
    return Fault.AWAY if status >= 500 else _STATUSES.get(status, Fault.UNREADABLE)


def _fault(error: BaseException) -> Fault | None:
    """The fault of one error, without its causes."""
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
    if type(error).__name__ in _WITHOUT_CREDENTIALS:
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
    """Turn a dependency's errors into an outage.

    Args:
        what: the dependency's name, with which the reason begins.

    Raises:
        DependencyUnavailable: it is away or full.
    """
    try:
        yield
    except Unavailable:
        raise
    except Exception as error:
        if isinstance(error, OSError) or fault_of(error) in (Fault.AWAY, Fault.FORBIDDEN):
            raise DependencyUnavailable(outage(of, what, error)) from error
        raise


def outage(of: Dependency, what: str, error: BaseException) -> Outage:
    """The outage behind an error."""
    if has_no_space(error):
        return Outage(of=of, reason=f"{what} has no space left: free some, or give it more")
    hint = "; check STOKER_STORE_URL" if of == Dependency.STORE else ""
    return Outage(of=of, reason=f"{what} cannot be used: {one_line(error)}{hint}")


def one_line(error: BaseException) -> str:
    """An error's message on one line."""
    return " ".join(str(error).split()) or type(error).__name__
