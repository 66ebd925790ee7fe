"""The files of data sets: opened on any file system, and what it means that one cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import fsspec

from ..errors import InvalidJob, Unavailable
from ..outages import Dependency, DependencyUnavailable, outage, passes

# How long a host may take to be connected to, and to send nothing, and how often it is asked.
_CONNECT_S, _SILENT_S, _TRIES = 10, 30, 3


def file_system_of(url: str) -> tuple[Any, str]:
    """The file system that holds a file, and the path there; a silent bucket is given up after a while."""
    options: dict[str, Any] = {}
    if url.startswith(("s3://", "s3a://")):
        retries = {"max_attempts": _TRIES}
        options["config_kwargs"] = {"connect_timeout": _CONNECT_S, "read_timeout": _SILENT_S, "retries": retries}
    files, path = fsspec.core.url_to_fs(url, **options)
    return files, path


@contextmanager
def open_file(url: str) -> Iterator[IO[bytes]]:
    """A file of a data set, to be read anywhere in it.

    Raises:
        InvalidJob: it is not there, or may not be read.
        DependencyUnavailable: its host is away, or the line was cut.
    """
    with reading(url):
        files, path = file_system_of(url)
        with files.open(path, "rb") as file:
            yield file


@contextmanager
def reading(ref: str) -> Iterator[None]:
    """Tell what goes wrong while data is read: the fault of who named it, or an outage of its host.

    Raises:
        InvalidJob: it is not there, or may not be read.
        DependencyUnavailable: its host is away, or the line was cut.
    """
    try:
        yield
    except (InvalidJob, Unavailable):
        raise
    except ImportError as error:
        raise InvalidJob(f"{ref} needs a package that is not installed here: {error}") from error
    except Exception as error:
        if passes(error):
            raise DependencyUnavailable(outage(Dependency.DATA, ref, error)) from error
        if isinstance(error, FileNotFoundError):
            raise InvalidJob(
                f"there is no file {ref}; check the path, and that the workers see and may read it"
            ) from error
        if isinstance(error, PermissionError):
            raise InvalidJob(f"{ref} may not be read: {error}; grant access to it") from error
        if isinstance(error, OSError):
            raise InvalidJob(f"{ref} cannot be read: {error}; check the file") from error
        raise
