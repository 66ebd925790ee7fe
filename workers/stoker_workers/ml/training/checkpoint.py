"""Saving where a training is, so that another worker goes on as if nothing had happened."""

import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

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

Arrays = list[NDArray[Any]]
# What reading an archive raises that is cut, of another kind, or none: a TypeError for a lone array.
_DAMAGES = (zipfile.BadZipFile, EOFError, RuntimeError, TypeError, ValueError, KeyError)


class Position(BaseModel):
    """Where a training is, besides its variables.

    Attributes:
        seed: what all its randomness comes from.
        rows: rows it trains on; another number means that the data has changed.
        epoch: whole epochs done.
        step: gradient steps done in the next epoch.
        totals: sums over the rows of that epoch so far: loss, metric, rows.
        history: every metric so far, one number per epoch.
        best, best_epoch: the best value that early stopping has seen, and after how many epochs; 0 for none yet.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    seed: int
    rows: int
    epoch: int = 0
    step: int = 0
    totals: tuple[float, float, float] = (0.0, 0.0, 0.0)
    history: dict[str, list[float]] = {}
    best: float | None = None
    best_epoch: int = 0


class Saved:
    """A checkpoint file: position, variables and the best weights so far, as an uncompressed .npz without pickles."""

    def __init__(self, position: Position, variables: Arrays, best: Arrays | None) -> None:
        self.position = position
        self.variables = variables
        self.best = best

    @classmethod
    def read(cls, path: Path) -> "Saved":
        """Read a checkpoint.

        Raises:
            UnreadableCheckpoint: the file is none.
        """
        try:
            # NumPy leaves a file open that is no archive.
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
        # The store names files by their content: no other attempt shall share this one and delete it.
        arrays["unique"] = np.array(uuid.uuid4().hex)
        arrays |= {f"variable{number}": value for number, value in enumerate(self.variables)}
        arrays |= {f"best{number}": value for number, value in enumerate(self.best or [])}
        np.savez(path, allow_pickle=False, **arrays)


def save_checkpoint(run: Run, saved: Saved, best_effort: BestEffort) -> None:
    """Put a checkpoint into the store and tell of it; older ones are deleted by whoever knows that this one counts.

    Where it cannot be written, the training goes on without it.
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


class Due:
    """Says when the next checkpoint is due; the first limit reached decides."""

    def __init__(self, limits: Checkpoints) -> None:
        self._limits = limits
        self._epoch = self._step = self._steps = 0
        self._at = time.monotonic()

    def saved(self, position: Position) -> None:
        """A checkpoint of this position exists."""
        self._epoch, self._step, self._steps, self._at = position.epoch, position.step, 0, time.monotonic()

    def moved(self, position: Position) -> bool:
        """Whether there is anything to save since the last checkpoint, or since the start."""
        return (position.epoch, position.step) != (self._epoch, self._step)

    def stepped(self, steps: int) -> None:
        """That many gradient steps were done."""
        self._steps += steps

    def steps_left(self) -> int | None:
        """Gradient steps until one is due; None where they do not count."""
        return None if self._limits.steps is None else max(self._limits.steps - self._steps, 1)

    def reached(self, position: Position) -> bool:
        """Whether one is due."""
        limits = self._limits
        return (
            (limits.epochs is not None and position.epoch - self._epoch >= limits.epochs)
            or (limits.steps is not None and self._steps >= limits.steps)
            or (limits.seconds is not None and time.monotonic() - self._at >= limits.seconds)
        )


def _numbered(archive: Any, prefix: str) -> Arrays:
    count = sum(name.startswith(prefix) for name in archive.files)
    return [archive[f"{prefix}{number}"] for number in range(count)]
