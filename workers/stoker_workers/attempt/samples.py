"""Samples of a model's requests, for a job that watches the model."""

import json
from contextlib import suppress
from dataclasses import asdict, replace

from stoker.errors import InvalidJob, Unavailable
from stoker.kinds.kind import Sampled as Wanted
from stoker.ledger import sampling
from stoker.ledger.attempt import Attempt
from stoker.ledger.sampling import Sampling, Taken, Window

from ..ml.run import Draw, Run, Sampled
from .extras import Extra
from .slot import Slot


class Samples(Extra):
    """Has a model's requests sampled from the first attempt on, and hands each attempt the next window.

    How many windows the job has tested is what it has kept over its last wait: a window that an attempt was lost with
    is the next one's.
    """

    def __init__(self, slot: Slot, attempt: Attempt, wanted: Wanted) -> None:
        self._slot = slot
        self._attempt = attempt
        self._sampling = Sampling(**asdict(wanted))

    def prepared(self, run: Run) -> Run:
        """The run, with its window.

        Raises:
            InvalidJob: another job watches the model.
        """
        ref = run.models[0].ref
        try:
            window = self._slot.insist(sampling.take(self._attempt, ref, self._sampling, tested(run.kept)))
        except Taken as other:
            raise InvalidJob(
                f"{ref} is watched by job {other.job} already: `stoker cancel {other.job}` ends that one first"
            ) from None
        # Without its job, the attempt will be told so by its first report.
        return replace(run, sampled=Sampled(**asdict(window or Window())))


class BulkSamples(Extra):
    """Has a job draw samples of what it predicts, if a Monitor watches the model, and keeps them."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._ref = self._job = ""

    def prepared(self, run: Run) -> Run:
        """The run, with what it is to draw: a window at most, however many rows there are."""
        self._ref = run.models[0].ref
        wanted = self._slot.insist(sampling.wanted(run.models[0].name))
        if wanted is None:
            return run
        self._job = wanted.job
        return replace(run, draw=Draw(wanted.share, wanted.off, wanted.window))

    def drew(self, batch: bytes) -> None:
        """Keep them; while Redis is away, they are not worth waiting for."""
        with suppress(Unavailable):
            self._slot.connection.run(sampling.keep(self._job, self._ref, batch))


def tested(kept: bytes) -> int:
    """How many windows a job has tested that has kept this."""
    try:
        document = json.loads(kept or b"{}")
    except ValueError:  # something else has written there
        return 0
    count = document.get("tested", 0) if isinstance(document, dict) else 0
    return count if isinstance(count, int) else 0
