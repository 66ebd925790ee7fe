"""Looks through the store for files that nothing names any more, and removes them if it may.

What faults leave behind has no record that a script could note: a job that was killed between writing a file and
committing it, a part of a job that was forgotten, a file half written, a version that was removed. So everything is
looked at, bit by bit. A look at the ledger is no single moment, and a record that gets another key while it goes on
can be overlooked: so a file is removed only once two looks have found that nothing names it.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from stoker.ledger import backups, clock, store_files, uploads
from stoker.models.store import Store, Stored
from stoker.outages import DependencyUnavailable
from stoker.redis.calls import drive
from stoker.redis.connection import Connection

from .upload_ends import living_uploads

_log = logging.getLogger(__name__)

# What is younger may be about to be named: it was put, and its job has not ended.
YOUNG = timedelta(days=1)
_REST_S = 3600.0
# How long before this look another one must have found that nothing names a file.
SECOND_LOOK = timedelta(seconds=_REST_S / 2)
# How many files wait for their second look at once; others are found by later looks.
_MOST_NOTED = 10_000
_PAGE_FILES = 100
_EXAMPLES = 10
_HEX = "0123456789abcdef"


class LeftoverSearch:
    """Looks through ledger and store again and again; each `step` is one page of either.

    A file is left over if no record, model, list of jobs or living upload names its digest, or if it belongs to a job
    that has ended,
    and if it is older than a day and older than any job that has begun and not ended for good: such a job may name a
    file in another file, as a bulk prediction names its chunks in its checkpoint. Each is removed by itself, so that a
    search may be killed at any point.

    Args:
        removes: whether to remove what is left over, or only to count it.
    """

    def __init__(self, store: Store, connection: Connection, *, removes: bool) -> None:
        self._store = store
        self._connection = connection
        self._removes = removes
        self._pages: Iterator[None] = iter(())
        self._rests_until = 0.0

    def step(self) -> bool:
        """Look at the next page, or do nothing for an hour after the last one; gives whether it has looked.

        Raises:
            ExceptionGroup: what of the store could not be looked at, when all the rest has been.
        """
        if time.monotonic() < self._rests_until:
            return False
        try:
            next(self._pages)
        except StopIteration:
            self._pages = self._look()
        return True

    def _look(self) -> Iterator[None]:
        # By a clock that is ahead, files of this moment are old: so it takes two of them.
        before = min(datetime.now(UTC), self._connection.run(clock.now()))
        digests: set[bytes] = set()
        cursor = None
        while cursor != 0:
            page = self._connection.run(store_files.named(cursor or 0))
            cursor = page.cursor
            digests |= page.digests
            before = min(before, page.unfinished_since or before)
            yield
        for of_upload in living_uploads(self._store.place, self._connection, frozenset(digests)):
            digests |= of_upload
            yield
        # A ledger that names nothing is empty, or another than the store's.
        findings = _Findings(self._connection.run(store_files.found_before()), is_strange=not digests)
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
            findings.see(file)
            is_named = file.digest.encode() in named and not file.is_partial
            if not is_named and self._store.is_older(file, before):
                findings.add(file)
                if self._removes and findings.is_found_again(file) and not self._is_backed_up():
                    self._store.remove(file)
                    self._note_removed(findings, [file])
            if number % _PAGE_FILES == _PAGE_FILES - 1:
                yield
        yield

    def _look_at_jobs(self, before: datetime, findings: "_Findings") -> Iterator[None]:
        for job_id in self._store.jobs():
            yield from findings.reachable(self._look_at_job(job_id, before, findings))

    def _look_at_job(self, job_id: str, before: datetime, findings: "_Findings") -> Iterator[None]:
        part = self._store.of_job(job_id)
        files = list(part.stored(""))
        for file in files:
            findings.see(file)
        if self._connection.run(store_files.has_ended(job_id)) and all(part.is_older(file, before) for file in files):
            for file in files:
                findings.add(file)
            if self._removes and all(map(findings.is_found_again, files)) and not self._is_backed_up():
                part.clear()
                self._note_removed(findings, files)
        yield

    def _is_backed_up(self) -> bool:
        return self._connection.run(backups.goes_on())

    def _note_removed(self, findings: "_Findings", files: Sequence[Stored]) -> None:
        findings.removed += files
        if files:
            self._connection.run(store_files.count_removed(sum(file.size for file in files)))

    def _note(self, findings: "_Findings") -> None:
        at = datetime.now(UTC)
        self._note_paths(findings, at)
        noted = store_files.Leftovers(
            at=at,
            files=findings.files,
            size=findings.size,
            removed=self._removes,
            examples=tuple(findings.examples),
            stored_files=findings.stored_files,
            stored_size=findings.stored_size,
            removed_files=len(findings.removed),
            removed_size=sum(file.size for file in findings.removed),
            next_at=at + timedelta(seconds=_REST_S) if self._removes and not findings.is_strange else None,
            is_strange=findings.is_strange and findings.files > 0,
            uploaded_size=sum(upload.size for upload in drive(uploads.listed(), self._connection.run)),
            plain_files=findings.plain_files,
            encrypted_files=dict(findings.encrypted_files),
        )
        self._connection.run(store_files.note_leftovers(noted))
        if findings.files:
            done = (
                f"{noted.removed_files} of them were removed, the others are when the next look finds them again"
                if self._removes
                else "would be removed with STOKER_REMOVE_LEFTOVERS=true"
            )
            _log.info(
                "%d files of %d bytes in the store belong to nothing; %s: %s, …",
                findings.files,
                findings.size,
                done,
                ", ".join(findings.examples),
            )

    def _note_paths(self, findings: "_Findings", at: datetime) -> None:
        """Remember what the next look is to find again, and forget what is gone or named.

        What could not be looked at keeps its first time, for it may still be there.
        """
        left = findings.paths - {file.path for file in findings.removed}
        gone = [] if findings.failures else [path for path in findings.before if path not in left]
        room = max(0, _MOST_NOTED - (len(findings.before) - len(gone)))
        new = [path for path in sorted(left) if path not in findings.before][:room]
        for start in range(0, len(gone), _PAGE_FILES):
            self._connection.run(store_files.forget_unnamed(gone[start : start + _PAGE_FILES]))
        for start in range(0, len(new), _PAGE_FILES):
            self._connection.run(store_files.note_unnamed(new[start : start + _PAGE_FILES], at))


class _Findings:
    """The leftovers of one look, and the failures that kept it from looking at the rest.

    Args:
        before: what earlier looks have found, by path, with when each was first found.
        is_strange: whether the ledger named no file at all.
    """

    def __init__(self, before: Mapping[str, datetime], *, is_strange: bool) -> None:
        self.before = before
        self.is_strange = is_strange
        self.failures: list[DependencyUnavailable] = []
        self.files = self.size = self.stored_files = self.stored_size = self.plain_files = 0
        self.encrypted_files: Counter[str] = Counter()
        self.examples: list[str] = []
        self.paths: set[str] = set()
        self.removed: list[Stored] = []
        self._found_by = datetime.now(UTC) - SECOND_LOOK

    def see(self, file: Stored) -> None:
        """Count a file, whether anything names it or not."""
        self.stored_files += 1
        self.stored_size += file.size
        if file.keys:
            self.encrypted_files["-".join(sorted(file.keys))] += 1
        elif not file.is_partial:
            self.plain_files += 1

    def add(self, file: Stored) -> None:
        """Count a file that nothing names."""
        self.files += 1
        self.size += file.size
        if file.path in self.before or len(self.paths) < _MOST_NOTED + len(self.before):
            self.paths.add(file.path)
        if len(self.examples) < _EXAMPLES:
            self.examples.append(file.path)

    def is_found_again(self, file: Stored) -> bool:
        """Whether an earlier look has found the file, too, and the ledger is the store's."""
        return not self.is_strange and self.before.get(file.path, datetime.max.replace(tzinfo=UTC)) <= self._found_by

    def reachable(self, pages: Iterator[None]) -> Iterator[None]:
        """These pages, up to one that cannot be looked at: that shall not keep the others from their turn."""
        try:
            yield from pages
        except DependencyUnavailable as error:
            self.failures.append(error)
            yield
