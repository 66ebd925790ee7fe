"""Opening the files of data sets, on any file system, and the meaning of read errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import fsspec

from ...errors import InvalidJob, StokerError
from ...outages import Dependency, DependencyUnavailable, Fault, disk_outage, fault_of, one_line, outage
from ..access import shown

Damage = Callable[[Exception], str | None]
"""Describes an error of a format's library without a quote from the file; None for other errors."""

# Timeouts of connecting to a host and of its silence, and how often it is tried.
_CONNECT_S, _SILENT_S, _TRIES = 10, 30, 3


def file_system_of(url: str) -> tuple[Any, str]:
    """The file system of a file, with timeouts for buckets, and the path there.

    Raises:
        InvalidJob: the file system's package is not installed.
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
    """The `Damage` of files that are located, but not read."""


@contextmanager
def open_file(url: str, damage: Damage = _intact) -> Iterator[IO[bytes]]:
    """Open a file of a data set, with random access; errors are raised as by `reading`.

    Raises:
        InvalidJob: the file is missing, may not be read, or is damaged.
        DependencyUnavailable: its host is away, or the connection broke.
    """
    with reading(url, damage):
        files, path = file_system_of(url)
        with files.open(path, "rb") as file:
            yield file


@contextmanager
def reading(ref: str, damage: Damage = _intact) -> Iterator[None]:
    """Turn errors while data is read into the job's fault or an outage. All reading of data happens in such a block.

    Args:
        damage: describes the errors of the format's library, to follow the reference in a message.

    Raises:
        InvalidJob: the data is missing, may not be read, or is damaged.
        DependencyUnavailable: its host is away, the connection broke, or the disk for copies is full.
    """
    try:
        yield
    except StokerError:
        raise
    # The packages of file systems are imported when first used, and raise errors of any class.
    except Exception as error:
        public = _public(ref, error, damage)
        if public is None:
            raise
        # No cause, because it may quote the file.
        raise public from None


def _public(ref: str, error: Exception, damage: Damage) -> StokerError | None:
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
