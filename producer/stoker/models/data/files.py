"""The files of data sets: opened on any file system, and what it means that one cannot be read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import fsspec

from ...errors import InvalidJob, StokerError
from ...outages import Dependency, DependencyUnavailable, Fault, disk_outage, fault_of, one_line, outage
from ..access import shown

Damage = Callable[[Exception], str | None]
"""What an error of a format's library says of a file, quoting nothing that the file holds; None if it is of others."""

# How long a host may take to be connected to, and to send nothing, and how often it is asked.
_CONNECT_S, _SILENT_S, _TRIES = 10, 30, 3


def file_system_of(url: str) -> tuple[Any, str]:
    """The file system that holds a file, and the path there; a silent bucket is given up after a while.

    Raises:
        InvalidJob: what such a file system needs is not installed.
    """
    options: dict[str, Any] = {}
    if url.startswith(("s3://", "s3a://")):
        retries = {"max_attempts": _TRIES}
        options["config_kwargs"] = {"connect_timeout": _CONNECT_S, "read_timeout": _SILENT_S, "retries": retries}
    try:
        files, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        raise InvalidJob(f"{shown(url)} needs a package that is not installed here: {error}") from None
    return files, path


def _intact(_error: Exception) -> None:
    """The damage that is told where files are looked for, and not yet looked into."""


@contextmanager
def open_file(url: str, damage: Damage = _intact) -> Iterator[IO[bytes]]:
    """A file of a data set, to be read anywhere in it; errors meanwhile are told as `reading` does.

    Raises:
        InvalidJob: it is not there, may not be read, or is damaged.
        DependencyUnavailable: its host is away, or the line was cut.
    """
    with reading(url, damage):
        files, path = file_system_of(url)
        with files.open(path, "rb") as file:
            yield file


@contextmanager
def reading(ref: str, damage: Damage = _intact) -> Iterator[None]:
    """Tell what goes wrong while data is read: the fault of who named it, or an outage. All that reads data is in here.

    Args:
        damage: tells what the errors of the format's library mean, to follow the reference in a message.

    Raises:
        InvalidJob: it is not there, may not be read, or is damaged.
        DependencyUnavailable: its host is away, the line was cut, or the disk for copies is full.
    """
    try:
        yield
    except StokerError:
        raise
    # The clients of file systems, which are imported when first used, raise what they like.
    except Exception as error:
        meaning = _meaning(ref, error, damage)
        if meaning is None:
            raise
        # Without its cause, which may quote what the file holds.
        raise meaning from None


def _meaning(ref: str, error: Exception, damage: Damage) -> StokerError | None:
    if disk := disk_outage(error):
        return DependencyUnavailable(disk)
    fault = fault_of(error)
    match fault:
        case Fault.AWAY:
            return DependencyUnavailable(outage(Dependency.DATA, shown(ref), error))
        case Fault.MISSING:
            hint = "check the path, and that the workers see and may read it"
            return InvalidJob(f"there is no file {shown(ref)}; {hint}")
        case Fault.FORBIDDEN:
            return InvalidJob(f"{shown(ref)} may not be read; grant access to it")
        case Fault.NO_PATH:
            why = error.strerror if isinstance(error, OSError) else one_line(error)
            return InvalidJob(f"{shown(ref)} is no path of a file: {why}; correct it")
    if what := damage(error):
        return InvalidJob(f"{shown(ref)} {what}")
    if fault is Fault.UNREADABLE:
        return InvalidJob(f"{shown(ref)} cannot be read: {one_line(error)}; check the file")
    return None
