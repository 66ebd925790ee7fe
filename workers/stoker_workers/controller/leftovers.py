"""Looks through the store for files that nothing names any more, and removes them if it may.

What faults leave behind has no record that a script could note: a job that was killed between writing a file and
committing it, a part of a job that was forgotten, a file half written. So everything is looked at, bit by bit.
"""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from stoker.ledger import store_files
from stoker.models.store import Store, Stored
from stoker.outages import DependencyUnavailable
from stoker.redis.connection import Connection

_log = logging.getLogger(__name__)

# What is younger may be about to be named: it was put, and its job has not ended.
YOUNG = timedelta(days=1)
_REST_S = 3600.0
_PAGE_FILES = 100
_EXAMPLES = 10
_HEX = "0123456789abcdef"


class LeftoverSearch:
    """Looks through ledger and store again and again; each `step` is one page of either.

    A file is left over if no record, model or list of jobs names its digest, or if it belongs to a job that has ended,
    and if it is older than a day and older than any job that has not ended for good: such a job may name a file in
    another file, as a bulk prediction names its chunks in its checkpoint.

    Args:
        removes: whether to remove what is left over, or only to count it.
    """

    def __init__(self, store: Store, connection: Connection, *, removes: bool) -> None:
        self._store = store
        self._connection = connection
        self._removes = removes
        self._pages: Iterator[None] = iter(())
        self._rests_until = 0.0

    def step(self) -> None:
        """Look at the next page, or do nothing for an hour after the last one.

        Raises:
            ExceptionGroup: what of the store could not be looked at, when all the rest has been.
        """
        if time.monotonic() < self._rests_until:
            return
        try:
            next(self._pages)
        except StopIteration:
            self._pages = self._look()

    def _look(self) -> Iterator[None]:
        before = datetime.now(UTC)
        digests: set[bytes] = set()
        cursor = None
        while cursor != 0:
            page = self._connection.run(store_files.named(cursor or 0))
            cursor = page.cursor
            digests |= page.digests
            before = min(before, page.unfinished_since or before)
            yield
        findings = _Findings()
        for folder in (f"{first}{second}" for first in _HEX for second in _HEX):
            yield from findings.reachable(self._look_at_artifacts(folder, digests, before - YOUNG, findings))
        yield from findings.reachable(self._look_at_jobs(before - YOUNG, findings))
        self._rests_until = time.monotonic() + _REST_S
        self._note(findings)
        if findings.failures:
            raise ExceptionGroup("some of the store could not be looked at", findings.failures)

    def _look_at_artifacts(
        self, folder: str, named: set[bytes], before: datetime, findings: "_Findings"
    ) -> Iterator[None]:
        for number, file in enumerate(self._store.stored(folder)):
            is_named = file.digest.encode() in named and not file.is_partial
            if not is_named and self._store.is_older(file, before):
                findings.add(file)
                if self._removes:
                    self._store.remove(file)
            if number % _PAGE_FILES == _PAGE_FILES - 1:
                yield
        yield

    def _look_at_jobs(self, before: datetime, findings: "_Findings") -> Iterator[None]:
        for job_id in self._store.jobs():
            yield from findings.reachable(self._look_at_job(job_id, before, findings))

    def _look_at_job(self, job_id: str, before: datetime, findings: "_Findings") -> Iterator[None]:
        part = self._store.of_job(job_id)
        files = list(part.stored(""))
        if self._connection.run(store_files.has_ended(job_id)) and all(part.is_older(file, before) for file in files):
            for file in files:
                findings.add(file)
            if self._removes:
                part.clear()
        yield

    def _note(self, findings: "_Findings") -> None:
        at = datetime.now(UTC)
        noted = store_files.Leftovers(
            at=at, files=findings.files, size=findings.size, removed=self._removes, examples=tuple(findings.examples)
        )
        self._connection.run(store_files.note_leftovers(noted))
        if findings.files:
            done = "were removed" if self._removes else "would be removed with STOKER_REMOVE_LEFTOVERS=true"
            _log.info(
                "%d files of %d bytes in the store belong to nothing and %s: %s, …",
                findings.files,
                findings.size,
                done,
                ", ".join(findings.examples),
            )


class _Findings:
    """The leftovers of one look, and the failures that kept it from looking at the rest."""

    def __init__(self) -> None:
        self.failures: list[DependencyUnavailable] = []
        self.files = 0
        self.size = 0
        self.examples: list[str] = []

    def add(self, file: Stored) -> None:
        self.files += 1
        self.size += file.size
        if len(self.examples) < _EXAMPLES:
            self.examples.append(file.path)

    def reachable(self, pages: Iterator[None]) -> Iterator[None]:
        """These pages, up to one that cannot be looked at: that shall not keep the others from their turn."""
        try:
            yield from pages
        except DependencyUnavailable as error:
            self.failures.append(error)
            yield
