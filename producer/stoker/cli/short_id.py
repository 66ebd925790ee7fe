"""Finds a job by the first characters of its id."""

from collections.abc import Callable, Sequence

from ..errors import JobNotFound
from ..status import JobStatus

# Among how many of the newest jobs a shortened id is looked up.
SEARCHED = 1000
_SHORTEST = 4
_WHOLE = 36


def whole_id(prefix: str, newest: Callable[[], Sequence[JobStatus]], what: str) -> str:
    """The id of the job whose id starts with `prefix`; a whole id is returned as it is.

    Args:
        newest: lists the newest jobs.
        what: what the message calls these jobs.

    Raises:
        JobNotFound: no id starts with it, or several do.
    """
    if len(prefix) >= _WHOLE:
        return prefix
    matches = [status.id for status in newest() if status.id.startswith(prefix)]
    if len(prefix) < _SHORTEST or len(matches) != 1:
        raise JobNotFound(
            f"{len(matches)} of the newest {SEARCHED} {what} have an id that starts with {prefix!r}; give more of it"
        )
    return matches[0]
