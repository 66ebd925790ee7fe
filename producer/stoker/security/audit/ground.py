"""What the next entries of a chain are sealed upon: the controller looks before it vouches for all that is below.

It looks where Redis names another end than the one that this controller has sealed itself: when it starts, when another
one was in between, and when somebody has written a chain anew. What it finds becomes an entry, so that it stays known
however often is sealed upon it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ...errors import Untrusted
from ..trust import RevokedKey, Trust
from . import HANDED_ON, LOST, UNVOUCHED, AuditEntry, chain
from .chain import Head
from .sealed_files import SealedFiles, folder_of


@dataclass(frozen=True)
class Ground:
    """The chains that a controller seals upon.

    Attributes:
        key: the id of the key that it signs with.
        trust: whose signatures it believes.
    """

    files: SealedFiles
    key: str = ""
    trust: Trust | None = None

    def remarks(self, tenant: str, head: Head, known: Head | None) -> Iterator[AuditEntry]:
        """What is to be noted of a chain before it goes on.

        Args:
            head: the end of the chain.
            known: the end that this controller has sealed last; None if it has sealed nothing.

        Raises:
            DependencyUnavailable: the store is away.
        """
        if known and known != head and not self._leads_to(tenant, known, head):
            text = f"entry {known.number} was the last that was sealed, and the chain is another: written anew, or cut"
            yield _entry(LOST, tenant, text)
        if self.trust is None or not self.key or not head.number:
            return
        number, last = head.number, self._last_line(tenant, head)
        if last is None:
            yield _entry(LOST, tenant, f"entry {number}, the last that was sealed, is not in the store")
            return
        try:
            by = chain.check_signature(self.trust, tenant, last)
        except (chain.Unsigned, RevokedKey) as error:
            text = f"entry {number} vouches for none before it, which may have been written anew: {error.message}"
            yield _entry(UNVOUCHED, tenant, text)
        except Untrusted as error:
            yield _entry(LOST, tenant, f"entry {number}, the last that was sealed, was written anew: {error.message}")
        else:
            if by != self.key:
                # That its predecessor's key may be revoked, also of a tenant of whom nothing is noted any more.
                text = f"key {self.key} vouches for those up to {number}, in place of key {by}"
                yield _entry(HANDED_ON, tenant, text)

    def _leads_to(self, tenant: str, known: Head, head: Head) -> bool:
        """Whether the chain that ends with one end goes on to another."""
        if head.number <= known.number:
            return False
        folder, ends = folder_of(tenant), {known.digest}
        for name in self.files.names(folder):
            if (chain.first_of(name) or 0) > known.number and (lines := self.files.read(folder, name)):
                first = chain.parsed(lines[0])
                # Of two controllers that have sealed at once, each has left a file.
                if first and first.before in ends:
                    ends.add(chain.digest(lines[-1]))
        return head.digest in ends

    def _last_line(self, tenant: str, head: Head) -> bytes | None:
        """The line at the end of a chain; None if it is not there."""
        folder = folder_of(tenant)
        for name in self.files.names(folder):
            if name.endswith(f"-{head.digest[:16]}.jsonl"):
                lines = self.files.read(folder, name)
                if lines and chain.digest(lines[-1]) == head.digest:
                    return lines[-1]
        return None


def _entry(what: str, tenant: str, text: str) -> AuditEntry:
    return AuditEntry(at=datetime.now(UTC), user="", what=what, text=text, tenant=tenant)
