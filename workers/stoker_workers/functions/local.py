"""A run without any job: a folder stands for the store, and for the checkpoints of earlier calls."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from stoker.events import Checkpoint, Event
from stoker.fleet.topology import WorkDevice
from stoker.kinds import Result
from stoker.models.access import Access
from stoker.models.manifest import Artifact
from stoker.models.store import Store
from stoker.settings import Settings

from ..ml.run import Run, StopRequest

_JOB = "local"
# As of a job: the older one is for when the newer is damaged.
_KEPT = 2
_LISTED: TypeAdapter[list[Artifact]] = TypeAdapter(list[Artifact])


def local_run(
    folder: Path, device: WorkDevice, children: Sequence[Result], stop_requested: Callable[[], StopRequest | None]
) -> Run:
    """A run in a folder, which says on standard output what a job would send.

    Args:
        children: what jobs give that the function asks for.
        stop_requested: None, or why the function should end.
    """
    folder = folder.absolute()
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    store = Store(str(folder / "store"))
    checkpoints = _Checkpoints(folder / "checkpoints.json", store.of_job(_JOB))

    def emit(event: Event) -> None:
        print(event.words(), flush=True)
        if isinstance(event, Checkpoint):
            checkpoints.add(event.artifact)

    return Run(
        job=_JOB,
        store=store,
        builders=(),
        # A program of the user's own reads what the user may read.
        access=Access(("/",), store.place),
        models=(),
        # As of a worker with the same settings: what may not be registered there is refused here, too.
        custom_objects=Settings().custom_objects,
        checkpoints=tuple(checkpoints.listed),
        device=device,
        children=tuple(children),
        scratch=scratch,
        emit=emit,
        stop_requested=stop_requested,
    )


class _Checkpoints:
    """The newest checkpoints, listed in a file."""

    def __init__(self, path: Path, store: Store) -> None:
        self._path = path
        self._store = store
        self.listed = _LISTED.validate_json(path.read_bytes()) if path.exists() else []

    def add(self, checkpoint: Artifact) -> None:
        """List another one; what is too old goes once that is written."""
        old, self.listed = self.listed[: 1 - _KEPT], [*self.listed[1 - _KEPT :], checkpoint]
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps([each.model_dump() for each in self.listed]))
        written.replace(self._path)
        for each in old:
            self._store.delete(each)
