"""Sealing the audit: what was noted in Redis goes into a chain in the store, where whoever has Redis cannot reach it.

A file is written first, and then the ledger notes that in one step, which also empties the streams. A controller that
dies in between leaves a file that continues the chain: the next one takes that as sealed. Nothing is sealed twice, for
each entry has an id.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from ...redis.connection import Connection
from ..signing import Signer
from ..trust import Trust
from . import LOST, AuditEntry, Journal, Unsealed, chain, in_order, look, place_of, seal
from .chain import Head
from .ground import Ground
from .sealed_files import SealedFiles, folder_of

_log = logging.getLogger(__name__)

# Of each user at once: so many entries are about a megabyte.
_BATCH = 2000
# Of the two numbers of an entry's id, which its writer may choose.
_LARGEST = 2**64 - 1


class Sealer:
    """Seals what was noted; each `step` all that there is.

    Two may run at the same moment: one of them finds that the other was first, and begins anew.

    Args:
        signer: signs the end of each batch, or nobody does.
        trust: whose signatures are believed of what is sealed upon; None to look at none.
    """

    def __init__(
        self, store_url: str, connection: Connection, signer: Signer | None = None, trust: Trust | None = None
    ) -> None:
        self._files = SealedFiles(store_url)
        self._connection = connection
        self._signer = signer
        self._ground = Ground(self._files, signer.id if signer else "", trust)
        # Whether it has looked at what it found when it began.
        self._has_looked = not (signer and trust)
        # By tenant, the end of its chain in the store. Where Redis knows of another one, as after it came back from an
        # older state of its own, the store is read.
        self._ends: dict[str, Head] = {}
        # The same of what Redis has taken for sealed.
        self._sealed: dict[str, Head] = {}

    def step(self, *, is_on: bool) -> None:
        """Seal all that there is.

        Raises:
            DependencyUnavailable: the store is away; what was noted waits in Redis.
        """
        while self._seal(self._connection.run(look(is_on=is_on, limit=_BATCH))):
            pass

    def _seal(self, unsealed: Unsealed) -> bool:
        """Seal a batch; returns whether there may be more."""
        steps = {
            journal.user: _Step(journal, unsealed.sealed.get(f"user {journal.user}")) for journal in unsealed.journals
        }
        entries = in_order([entry for step in steps.values() for entry in step.entries()])
        of_tenant: defaultdict[str, list[AuditEntry]] = defaultdict(list)
        if not self._has_looked:
            of_tenant |= {tenant: [] for tenant in _tenants(unsealed.sealed)}
        if not (entries or of_tenant):
            return False
        for entry in entries:
            of_tenant[entry.tenant].append(entry)
        was, becomes = {}, {}
        for tenant, noted in of_tenant.items():
            field = f"tenant {tenant}"
            was[field] = unsealed.sealed.get(field, "")
            becomes[field] = str(self._write(tenant, noted, Head.read(was[field])))
        self._has_looked = True
        for user, step in steps.items():
            was[f"user {user}"], becomes[f"user {user}"] = step.was, step.becomes
        keep = {user: first for user, step in steps.items() if (first := step.keep) is not None}
        if not self._connection.run(seal(was, becomes, keep)):
            _log.info("another controller has sealed the audit")
        else:
            self._sealed |= {tenant: self._ends[tenant] for tenant in of_tenant}
        return True

    def _write(self, tenant: str, entries: Sequence[AuditEntry], head: Head) -> Head:
        """Write entries behind what the store has of a chain; gives its new end."""
        done: set[tuple[str, str]] = set()
        if self._ends.get(tenant) != head:
            for lines in self._written_before(tenant, head):
                done |= {(entry.user, entry.id) for entry in chain.entries_of(lines) if entry.id}
                last = chain.parsed(lines[-1])
                head = Head(number=last.number if last and last.number else head.number, digest=chain.digest(lines[-1]))
            entries = [*entries, *self._ground.remarks(tenant, head, self._sealed.get(tenant))]
        batch = chain.chained([entry for entry in entries if (entry.user, entry.id) not in done], head, self._signer)
        if batch.lines:
            self._files.write(tenant, batch)
        self._ends[tenant] = batch.head
        return batch.head

    def _written_before(self, tenant: str, head: Head) -> Iterator[list[bytes]]:
        """What continues a chain in the store, file by file, and is not noted in Redis."""
        folder = folder_of(tenant)
        for name in self._files.names(folder):
            if (chain.first_of(name) or 0) <= head.number:
                continue
            lines = self._files.read(folder, name)
            if chain.continues(lines, head):
                yield lines
                last = chain.parsed(lines[-1])
                if last is None or last.number is None:
                    return
                head = Head(number=last.number, digest=chain.digest(lines[-1]))


def _tenants(sealed: Mapping[str, str]) -> Iterator[str]:
    """The tenants that have a chain."""
    return (field.removeprefix("tenant ") for field in sealed if field.startswith("tenant "))


class _Step:
    """How far the entries of a user are sealed, before and after a batch."""

    def __init__(self, journal: Journal, sealed: str | None) -> None:
        count, _, last = (sealed or "").partition(" ")
        self.was = sealed or ""
        self._journal = journal
        self._count = int(count) if count.isdigit() else 0
        self._last = last or "0-0"

    @property
    def becomes(self) -> str:
        """The field after the batch."""
        read = self._journal.entries
        ever = self._journal.ever
        is_all = len(read) < _BATCH
        if self.keep == "":
            return "0 0-0"
        count = 0 if self._journal.is_gone else ever if is_all and ever is not None else self._count + len(read)
        return f"{count} {read[-1].id if read else self._last}"

    @property
    def keep(self) -> str | None:
        """The first id that stays in the stream; None where nothing goes, "" where no other can follow."""
        if not self._journal.entries:
            return None
        milliseconds, number = place_of(self._journal.entries[-1].id)
        if number < _LARGEST:
            return f"{milliseconds}-{number + 1}"
        return f"{milliseconds + 1}-0" if milliseconds < _LARGEST else ""

    def entries(self) -> list[AuditEntry]:
        """What was noted, and what is known of entries that somebody has cut."""
        entries = list(self._journal.entries)
        if why := self._lost():
            at = entries[-1].at if entries else datetime.now(UTC)
            entries.append(AuditEntry(at=at, user=self._journal.user, what=LOST, text=why))
        return entries

    def _lost(self) -> str | None:
        """Why not all is there that was noted; None if it is."""
        ever, read = self._journal.ever, len(self._journal.entries)
        if self._journal.is_gone:
            return "the stream was removed: what was noted in it since the last seal is lost" if self._count else None
        if ever is None or read == _BATCH or ever == self._count + read:
            return None
        if ever > self._count + read:
            return f"{ever - self._count - read} entries were cut before they were sealed"
        return "the stream was removed and begun anew: what was noted in it since the last seal is lost"
