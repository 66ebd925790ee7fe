"""Errors that end a process: a line on stderr, and an exit status."""

import logging
import sys
from collections.abc import Callable

from ..errors import InvalidArgument, InvalidJob, InvalidSettings, StokerError, Unauthorized, Unavailable
from .printable import printable
from .process_log import speaks_json

_log = logging.getLogger("stoker")


def status_of(error: Exception) -> int:
    """The exit status: 2 for wrong input, 3 if something is out of reach, else 1."""
    match error:
        case InvalidArgument() | InvalidJob() | InvalidSettings():
            return 2
        case Unavailable() | Unauthorized():
            return 3
        case _:
            return 1


def lines_of(error: StokerError | OSError) -> list[str]:
    """An error as printable lines: one, or one for each wrong setting."""
    match error:
        case InvalidSettings():
            lines = error.message.split("\n")
        case StokerError():
            # A line break in it comes from foreign text, and is escaped.
            lines = [error.message]
        case _:
            lines = [f"{error.filename}: " * bool(error.filename) + (error.strerror or str(error))]
    return [printable(line) for line in lines]


def say(error: StokerError | OSError) -> None:
    """Write an error to stderr, or to the log if that is JSON."""
    for line in lines_of(error):
        if speaks_json():
            _log.critical("%s", line)
        else:
            sys.stderr.write(f"error: {line}\n")


def status(main: Callable[[], int | None]) -> int:
    """Run a process' main function; gives the exit status, and prints an error that ended it."""
    try:
        return main() or 0
    except (StokerError, OSError) as error:
        say(error)
        return status_of(error)
