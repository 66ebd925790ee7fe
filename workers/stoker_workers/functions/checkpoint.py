"""Checkpoints of functions: a file or folder of the function's own, with what it has made so far."""

import shutil
import threading
import uuid
import zipfile
from pathlib import Path, PurePath
from typing import Self

from pydantic import BaseModel, Field, ValidationError

from stoker.events import Checkpoint
from stoker.models.effects import Register
from stoker.models.manifest import Artifact
from stoker.outages import one_line

from ..ml.resuming import UnreadableCheckpoint, read_newest
from ..ml.run import Run
from ..ml.writing import BestEffort
from .files import pack

_MADE = "made.json"
_CONTENT = "content"
# Errors of an archive that is cut off, has other content, or is none.
_DAMAGES = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, KeyError)


class Made(BaseModel):
    """What a function has made so far: it is lost with its attempt, but for what a checkpoint keeps.

    Attributes:
        models: the versions to be registered when the job succeeds, by the names of the models.
        files: its artifacts, by the names that it gave them.
        checkpoints: how many of them there were.
        content: the name of the function's own file or folder in the checkpoint.
        unique: the store names files by their content, and no other attempt shall share this one and delete it.
    """

    models: dict[str, Register] = Field(default_factory=dict)
    files: dict[str, Artifact] = Field(default_factory=dict)
    checkpoints: int = 0
    content: str = ""
    unique: str = ""

    def write(self, path: Path, archive: Path) -> None:
        """Write a checkpoint: this, and a file or folder."""
        made = self.model_copy(update={"content": path.name, "unique": uuid.uuid4().hex})
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as file:
            file.writestr(_MADE, made.model_dump_json())
            pack(path, file, PurePath(_CONTENT, path.name))

    @classmethod
    def read(cls, archive: Path, folder: Path) -> Self:
        """Read a checkpoint, whose file or folder comes into another one.

        Raises:
            UnreadableCheckpoint: the file is none.
        """
        try:
            with zipfile.ZipFile(archive) as file:
                made = cls.model_validate_json(file.read(_MADE))
                names = [name for name in file.namelist() if name.startswith(f"{_CONTENT}/")]
                file.extractall(folder, names)
        except (ValidationError, *_DAMAGES) as error:
            raise UnreadableCheckpoint(f"it is no checkpoint of a function: {one_line(error)}") from error
        return made

    def path_in(self, folder: Path) -> Path:
        """Where the file or folder is that came into `folder`."""
        return folder / _CONTENT / self.content


class Checkpoints:
    """The checkpoints of a function's run: the one that it goes on from, and those that it saves.

    Args:
        lock: for what the function has made.

    Attributes:
        made: what the function has made so far.
        resumed_from: the file or folder of the newest checkpoint; None if there is none.
    """

    def __init__(self, run: Run, lock: threading.RLock) -> None:
        self._run = run
        self._lock = lock
        self._saving = threading.Lock()
        self._writes = BestEffort(run, "a checkpoint")
        self._folder = run.scratch / "resumed"
        made = read_newest(run, self._read)
        self.made = made or Made()
        self.resumed_from = made.path_in(self._folder) if made else None

    def save(self, path: Path, epoch: int, step: int | None) -> None:
        """Save a file or folder with what was made so far; a warning is sent where the store is away."""
        with self._saving:
            with self._lock:
                self.made.checkpoints += 1
                made = self.made.model_copy(deep=True)
            archive = self._run.scratch / f"checkpoint-{epoch}-{made.checkpoints}.zip"

            def write() -> Artifact:
                try:
                    made.write(path, archive)
                    return self._run.store.of_job(self._run.job).put_file(archive)
                finally:
                    archive.unlink(missing_ok=True)

            if artifact := self._writes.write(write):
                at = made.checkpoints if step is None else step
                self._run.emit(Checkpoint(epoch=epoch, step=at, artifact=artifact))

    def _read(self, checkpoint: Artifact) -> Made:
        shutil.rmtree(self._folder, ignore_errors=True)
        archive = self._run.store.of_job(self._run.job).fetch(checkpoint, self._run.scratch)
        try:
            return Made.read(archive, self._folder)
        finally:
            archive.unlink()
