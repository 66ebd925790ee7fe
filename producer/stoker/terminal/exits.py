"""How a process ends by an error: with a line on stderr, and with a status that tells kinds of errors apart."""

import sys
from collections.abc import Callable

from ..errors import InvalidArgument, InvalidJob, InvalidSettings, StokerError, Unauthorized, Unavailable
from .printable import printable


def status_of(error: Exception) -> int:
    """2 for what has to be written otherwise, 3 for what is out of reach, else 1."""
    match error:
        case InvalidArgument() | InvalidJob() | InvalidSettings():
            return 2
        case Unavailable() | Unauthorized():
            return 3
        case _:
            return 1


def lines_of(error: StokerError | OSError) -> list[str]:
    """What a person is told of an error, fit to be shown: one line, or of wrong settings one for each."""
    match error:
        case InvalidSettings():
            lines = error.message.split("\n")
        case StokerError():
            # A line break in it is foreign text.
            lines = [error.message]
        case _:
            lines = [f"{error.filename}: " * bool(error.filename) + (error.strerror or str(error))]
    return [printable(line) for line in lines]


def say(error: StokerError | OSError) -> None:
    """Write an error to stderr."""
    for line in lines_of(error):
        sys.stderr.write(f"error: {line}\n")


def status(main: Callable[[], int | None]) -> int:
    """Run the whole of a process; gives its exit status, and says why if an error ended it."""
    try:
        return main() or 0
    except (StokerError, OSError) as error:
        say(error)
        return status_of(error)
