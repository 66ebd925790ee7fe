"""Reading the sealed audit, and checking that it is what was sealed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ..trust import Trust
from . import LOST, AuditEntry, chain
from .chain import AuditFlaw, Check, Head
from .sealed_files import SealedFiles, folder_of


class AuditReport(BaseModel):
    """What a check of the audit has found.

    Attributes:
        heads: by tenant, the end of its chain: kept elsewhere, it tells later whether all before it is still there.
        flaws: what is not as it was sealed.
        lost: entries that tell of others which were cut before they were sealed.
    """

    model_config = ConfigDict(frozen=True)

    heads: Mapping[str, Head]
    flaws: tuple[AuditFlaw, ...]
    lost: tuple[AuditEntry, ...]

    @property
    def is_sound(self) -> bool:
        """Whether everything is there, and as it was."""
        return not self.flaws and not self.lost


def verify(store_url: str, sealed: Mapping[str, str], trust: Trust | None = None) -> AuditReport:
    """Check all chains of a store.

    Args:
        sealed: what Redis knows: see `audit.sealed`.
        trust: whose signatures are believed; None to look at none.

    Raises:
        DependencyUnavailable: the store is away.
    """
    files = SealedFiles(store_url)
    known = {
        field.removeprefix("tenant "): Head.read(text) for field, text in sealed.items() if field.startswith("tenant ")
    }
    heads: dict[str, Head] = {}
    flaws: list[AuditFlaw] = []
    lost: list[AuditEntry] = []
    folders = {folder_of(tenant): tenant for tenant in known}
    for folder in sorted({*files.folders(), *folders}):
        check = Check(folders.get(folder, ""), trust)
        for name, lines in _in_chain(files, folder, known.get(check.tenant)):
            entries = list(chain.entries_of(lines))
            check.tenant = check.tenant or next((entry.tenant for entry in entries), "")
            check.walk(name, lines)
            # What a controller has found is in no stream, and so has no id: others may write the word, too.
            lost += (entry for entry in entries if entry.what == LOST and not entry.id)
        check.end(known.get(check.tenant))
        heads[check.tenant] = check.head
        flaws += (check.flaws[number] for number in sorted(check.flaws))
    return AuditReport(heads=heads, flaws=tuple(flaws), lost=tuple(lost))


def entries(store_url: str, tenant: str | None = None, since: datetime | None = None) -> Iterator[AuditEntry]:
    """What is sealed, tenant by tenant, the oldest first.

    Raises:
        DependencyUnavailable: the store is away.
    """
    files = SealedFiles(store_url)
    for folder in files.folders() if tenant is None else [folder_of(tenant)]:
        for _, lines in _in_chain(files, folder, None):
            yield from (entry for entry in chain.entries_of(lines) if since is None or entry.at >= since)


def newest(store_url: str, limit: int, tenant: str | None = None) -> list[AuditEntry]:
    """The newest sealed entries of each tenant, the oldest first.

    Raises:
        DependencyUnavailable: the store is away.
    """
    files, found = SealedFiles(store_url), []
    for folder in files.folders() if tenant is None else [folder_of(tenant)]:
        read: list[AuditEntry] = []
        for name in reversed(files.names(folder)):
            read[:0] = chain.entries_of(files.read(folder, name))
            if len(read) >= limit:
                break
        found += read[-limit:]
    return found


def _in_chain(files: SealedFiles, folder: str, known: Head | None) -> Iterator[tuple[str, Sequence[bytes]]]:
    """The files of a chain. Of two that begin with one number, as two controllers leave them, the one that goes on."""
    by_first: dict[int, list[str]] = {}
    for name in files.names(folder):
        by_first.setdefault(chain.first_of(name) or 0, []).append(name)
    for first in sorted(by_first):
        name, *twins = by_first[first]
        for twin in twins:
            if _goes_on(files, folder, twin, by_first) or (known and known.digest[:16] in twin):
                name = twin
        yield name, files.read(folder, name)


def _goes_on(files: SealedFiles, folder: str, name: str, by_first: Mapping[int, Sequence[str]]) -> bool:
    """Whether another file continues a file."""
    lines = files.read(folder, name)
    last = chain.parsed(lines[-1]) if lines else None
    if last is None or last.number is None:
        return False
    head = Head(number=last.number, digest=chain.digest(lines[-1]))
    return any(chain.continues(files.read(folder, other), head) for other in by_first.get(head.number + 1, ()))
