"""Going on from a checkpoint: the newest one that can be read."""

from collections.abc import Callable
from typing import TypeVar

from stoker.errors import StokerError
from stoker.events import Log
from stoker.models.manifest import Artifact
from stoker.models.store import Corrupt, Missing

from .run import Run

T = TypeVar("T")


class UnreadableCheckpoint(StokerError):
    """What a checkpoint's file holds is no checkpoint of this version of Stoker."""


def read_newest(run: Run, read: Callable[[Artifact], T], can_all: Callable[[bool], bool] = lambda can: can) -> T | None:
    """The newest checkpoint that can be read; None if there is none, so that the job starts anew.

    Each one that is left out is told of.

    Args:
        read: reads one; raises `Corrupt`, `Missing` or `UnreadableCheckpoint` if it is damaged.
        can_all: for those who have to go on from the same one: whether all of them can read it, from whether this
            process can.

    Raises:
        DependencyUnavailable: the store is away.
    """
    for artifact in reversed(run.checkpoints):
        saved, reason = None, "another worker of the gang cannot read it"
        try:
            saved = read(artifact)
        except (Corrupt, Missing, UnreadableCheckpoint) as error:
            reason = error.message
        if can_all(saved is not None):
            return saved
        run.emit(Log(line=f"{artifact.name} is left out: {reason}", level="warning"))
    if run.checkpoints:
        run.emit(Log(line="no checkpoint is left to go on from: the job starts anew", level="warning"))
    return None
