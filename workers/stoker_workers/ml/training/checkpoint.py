"""Checkpoints of a training, from which another worker goes on as if nothing had happened."""

import time
import uuid
import zipfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from stoker.events import Checkpoint
from stoker.kinds import Checkpoints
from stoker.models.manifest import Artifact
from stoker.outages import one_line

from ..resuming import UnreadableCheckpoint
from ..run import Run
from ..writing import BestEffort

Variables = list[NDArray[Any]]
# Errors of an archive that is cut off, has other content, or is none: a TypeError for a lone array.
_DAMAGES = (zipfile.BadZipFile, EOFError, RuntimeError, TypeError, ValueError, KeyError)


class Position(BaseModel):
    """The position of a training, besides its variables.

    Attributes:
        seed: the seed of all its randomness.
        rows: the number of training rows; another number means that the data has changed.
        epoch: completed epochs.
        step: completed gradient steps of the next epoch.
        totals: sums over the rows of that epoch so far, as `step.Totals`; empty before the first.
        history: every metric, one number for each epoch.
        spent_s: seconds of training so far, in all attempts; those after the last checkpoint of a lost one not counted.
        plateau, plateau_epoch: the best value that the learning rate waits to be improved, and after how many epochs it
            was reached, or the rate lowered.
        best, best_epoch: early stopping's best value, and after how many epochs; 0 for none yet.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    seed: int
    rows: int
    epoch: int = 0
    step: int = 0
    totals: tuple[float, ...] = ()
    history: dict[str, list[float]] = {}
    spent_s: float = 0.0
    plateau: float | None = None
    plateau_epoch: int = 0
    best: float | None = None
    best_epoch: int = 0


class Saved:
    """The content of a checkpoint: position, variables and the best weights so far; an uncompressed .npz as a file."""

    def __init__(self, position: Position, variables: Variables, best: Variables | None) -> None:
        self.position = position
        self.variables = variables
        self.best = best

    @classmethod
    def read(cls, path: Path) -> "Saved":
        """Read a checkpoint.

        Raises:
            UnreadableCheckpoint: the file is not a checkpoint.
        """
        try:
            # NumPy would leave a file open that is not an archive.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                position = Position.model_validate_json(str(archive["position"]))
                variables = _numbered(archive, "variable")
                best = _numbered(archive, "best")
        except _DAMAGES as error:
            raise UnreadableCheckpoint(f"it is no checkpoint of this version of Stoker: {one_line(error)}") from error
        return cls(position, variables, best or None)

    def write(self, path: Path) -> None:
        """Write the checkpoint to a file."""
        arrays: dict[str, NDArray[Any]] = {"position": np.array(self.position.model_dump_json())}
        # Makes the digest unique: two attempts would share an equal file, and one would delete it.
        arrays["unique"] = np.array(uuid.uuid4().hex)
        arrays |= {f"variable{number}": value for number, value in enumerate(self.variables)}
        arrays |= {f"best{number}": value for number, value in enumerate(self.best or [])}
        np.savez(path, allow_pickle=False, **arrays)


def save_checkpoint(run: Run, saved: Saved, best_effort: BestEffort) -> None:
    """Store a checkpoint and send its event; older checkpoints are deleted once the event is in the ledger.

    If it cannot be written, the training goes on without it.
    """
    position = saved.position
    path = run.scratch / f"checkpoint-{position.epoch}-{position.step}.npz"

    def write() -> Artifact:
        try:
            saved.write(path)
            return run.store.of_job(run.job).put_file(path)
        finally:
            path.unlink(missing_ok=True)

    if artifact := best_effort.write(write):
        run.emit(Checkpoint(epoch=position.epoch, step=position.step, artifact=artifact))


class Place(Protocol):
    """Where a training is: completed epochs, and completed steps of the next one."""

    epoch: int
    step: int


class Due:
    """When the next checkpoint is due: at the first limit that is reached."""

    def __init__(self, limits: Checkpoints) -> None:
        self._limits = limits
        self._epoch = self._step = self._steps = 0
        self._at = time.monotonic()

    def saved(self, position: Place) -> None:
        """Record that this position has been saved."""
        self._epoch, self._step, self._steps, self._at = position.epoch, position.step, 0, time.monotonic()

    def moved(self, position: Place) -> bool:
        """Whether the position has changed since the last checkpoint, or since the start."""
        return (position.epoch, position.step) != (self._epoch, self._step)

    def stepped(self, steps: int) -> None:
        """Count gradient steps."""
        self._steps += steps

    def steps_left(self) -> int | None:
        """Gradient steps until a checkpoint is due; None without a limit of steps."""
        return None if self._limits.steps is None else max(self._limits.steps - self._steps, 1)

    def reached(self, position: Place) -> bool:
        """Whether a checkpoint is due."""
        limits = self._limits
        return (
            (limits.epochs is not None and position.epoch - self._epoch >= limits.epochs)
            or (limits.steps is not None and self._steps >= limits.steps)
            or (limits.seconds is not None and time.monotonic() - self._at >= limits.seconds)
        )


def _numbered(archive: Any, prefix: str) -> Variables:
    count = sum(name.startswith(prefix) for name in archive.files)
    return [archive[f"{prefix}{number}"] for number in range(count)]
