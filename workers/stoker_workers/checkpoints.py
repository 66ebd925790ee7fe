"""Which checkpoints of a job are kept: none is deleted that the ledger might still point at."""

import logging
from collections.abc import Iterable, Sequence

from stoker.artifacts import Artifact
from stoker.errors import Unavailable
from stoker.events import Checkpoint, Event
from stoker.jobs import Spec, Train
from stoker.store import Store

_log = logging.getLogger(__name__)


class CheckpointKeeper:
    """Deletes checkpoints that newer ones have replaced, and all of them once the job has ended.

    It deletes only what the ledger no longer lists. A worker that was silent for so long that another has its job may
    still write checkpoints, but it never takes one away that the other starts from.

    Args:
        earlier: what earlier attempts left, the newest last.
    """

    def __init__(self, store: Store, spec: Spec, earlier: Sequence[Artifact]) -> None:
        self._store = store
        self._keep = spec.checkpoint.keep if isinstance(spec, Train) else 1
        self._all = list(earlier)

    def kept(self, events: Iterable[Event]) -> list[Artifact]:
        """What the ledger shall list once these events have happened, the newest last; empty for no change."""
        new = [event.artifact for event in events if isinstance(event, Checkpoint)]
        self._all += [artifact for artifact in new if artifact not in self._all]
        return self._all[-self._keep :] if new else []

    def confirmed(self) -> None:
        """The ledger lists what was kept: delete the others."""
        while len(self._all) > self._keep:
            self._delete(self._all.pop(0))

    def discard(self) -> None:
        """The job has ended for good: delete them all."""
        while self._all:
            self._delete(self._all.pop())

    def _delete(self, artifact: Artifact) -> None:
        try:
            self._store.delete(artifact)
        except Unavailable as error:
            _log.warning("a checkpoint stays behind: %s", error)
