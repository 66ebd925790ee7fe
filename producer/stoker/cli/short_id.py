"""Jobs named on the command line by the first characters of their ids."""

from collections.abc import Callable, Sequence

from ..errors import JobNotFound
from ..events import JobStatus

# How many of the newest jobs a shortened id is looked up among.
SEARCHED = 1000
_SHORTEST = 4
_WHOLE = 36


def whole_id(given: str, newest: Callable[[], Sequence[JobStatus]], what: str) -> str:
    """A job's id by its first characters; a whole id is taken as it is.

    Args:
        newest: looks up the newest jobs of those that are meant.
        what: what those are called.

    Raises:
        JobNotFound: none of them begins so, or several do.
    """
    if len(given) >= _WHOLE:
        return given
    matches = [status.id for status in newest() if status.id.startswith(given)]
    if len(given) < _SHORTEST or len(matches) != 1:
        raise JobNotFound(
            f"{len(matches)} of the newest {SEARCHED} {what} have an id that starts with {given!r}; give more of it"
        )
    return matches[0]
