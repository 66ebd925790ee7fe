"""A training that kills its own process behind a checkpoint, as a machine that loses power does."""

import os
import signal
import sys
from pathlib import Path

from stoker.events import Checkpoint, Event
from stoker.kinds import Train
from stoker.models.access import Access
from stoker.models.store import Store
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.columns import places
from stoker_workers.ml.run import Run


def train_and_die(spec: Train, store: Store, folder: Path, checkpoints: int, most_own: int) -> None:
    """Train until so many checkpoints are saved; the last one is described in `checkpoint.json`.

    Args:
        most_own: values of a column that have a place of their own.
    """
    places.MOST_OWN = most_own
    saved = 0

    def emit(event: Event) -> None:
        nonlocal saved
        if isinstance(event, Checkpoint):
            saved += 1
            (folder / "checkpoint.json").write_text(event.artifact.model_dump_json())
        if saved == checkpoints:
            os.kill(os.getpid(), signal.SIGKILL)

    train(
        spec,
        Run(
            job="job",
            store=store,
            scratch=folder,
            builders=(),
            access=Access(["/"], store.url),
            models=(),
            checkpoints=(),
            emit=emit,
            stop_requested=lambda: None,
        ),
    )


if __name__ == "__main__":
    spec, store, folder, checkpoints, most_own = sys.argv[1:]
    train_and_die(Train.model_validate_json(spec), Store(store), Path(folder), int(checkpoints), int(most_own))
