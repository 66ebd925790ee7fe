"""What a caller prefers: RFC 7240's `respond-async` and `wait`."""

import re
from typing import Annotated

from fastapi import Header

# A gateway that ends waits no longer for its requests.
LONGEST_WAIT_S = 25.0
_WAIT = re.compile(r"wait=\"?([0-9]{1,9})\"?")

Prefer = Annotated[
    str | None,
    Header(
        description=f"`wait=N`: answer within N seconds, {LONGEST_WAIT_S:g} at most, with what has come of the job by "
        "then. `respond-async`, or nothing: answer at once.",
        examples=["wait=10"],
    ),
]


def wait_s(prefer: str | None) -> float | None:
    """For how long an answer may wait, in seconds; None for not at all."""
    for word in (prefer or "").split(","):
        if wait := _WAIT.fullmatch(word.strip().lower()):
            return min(float(wait[1]), LONGEST_WAIT_S)
    return None


def applied(prefer: str | None) -> dict[str, str]:
    """The header that says which preference was heeded; none where there was none."""
    seconds = wait_s(prefer)
    if seconds is not None:
        return {"Preference-Applied": f"wait={seconds:g}"}
    words = {word.strip().lower() for word in (prefer or "").split(",")}
    return {"Preference-Applied": "respond-async"} if "respond-async" in words else {}
