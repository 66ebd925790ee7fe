"""Resuming from the newest readable checkpoint."""

from collections.abc import Callable
from typing import TypeVar

from stoker.errors import StokerError
from stoker.models.manifest import Artifact
from stoker.models.store import Corrupt, Missing

from .run import Run

T = TypeVar("T")


class UnreadableCheckpoint(StokerError):
    """The file is not a checkpoint of this version of Stoker."""


def read_newest(run: Run, read: Callable[[Artifact], T], can_all: Callable[[bool], bool] = lambda can: can) -> T | None:
    """The newest readable checkpoint; None if there is none, so that the job starts anew.

    It sends a warning for each checkpoint that is left out.

    Args:
        read: reads a checkpoint; raises `Corrupt`, `Missing` or `UnreadableCheckpoint` if it is damaged.
        can_all: takes whether this process can read a checkpoint, gives whether all can that resume together.

    Raises:
        DependencyUnavailable: the store is away.
    """
    for reason in run.left_out:
        run.say(f"a checkpoint is left out: {reason}", level="warning")
    for artifact in reversed(run.checkpoints):
        saved, reason = None, "another worker of the gang cannot read it"
        try:
            saved = read(artifact)
        except (Corrupt, Missing, UnreadableCheckpoint) as error:
            reason = error.message
        if can_all(saved is not None):
            return saved
        run.say(f"{artifact.name} is left out: {reason}", level="warning")
    if run.checkpoints or run.left_out:
        run.say("no checkpoint is left to go on from: the job starts anew", level="warning")
    return None
