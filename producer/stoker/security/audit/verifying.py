"""Reading the sealed audit, and checking that it is what was sealed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import dropwhile

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
    checks: list[Check] = []
    lost: list[AuditEntry] = []
    folders = {folder_of(tenant): tenant for tenant in known}
    for folder in sorted({*files.folders(), *folders}):
        check = Check(folders.get(folder, ""), trust)
        for name, lines in _in_chain(files, folder, known.get(check.tenant)):
            entries = list(chain.entries_of(lines))
            check.tenant = check.tenant or next((entry.tenant for entry in entries), "")
            check.walk(name, lines)
            lost += filter(_tells_of_loss, entries)
        check.end(known.get(check.tenant))
        checks.append(check)
    return _report(checks, lost)


def sealed_lines(store_url: str, tenant: str | None = None, since: datetime | None = None) -> Iterator[bytes]:
    """What is sealed, tenant by tenant, the oldest first, as it lies there: `verify_lines` checks it.

    Args:
        since: with the first entry from then on a tenant's begin.

    Raises:
        DependencyUnavailable: the store is away.
    """
    files = SealedFiles(store_url)
    for folder in files.folders() if tenant is None else [folder_of(tenant)]:
        lines = (line for _, batch in _in_chain(files, folder, None) for line in batch)
        yield from lines if since is None else dropwhile(lambda line: _is_before(line, since), lines)


def _is_before(raw: bytes, since: datetime) -> bool:
    line = chain.parsed(raw)
    return line is not None and line.at < since


def verify_lines(lines: Iterable[bytes], trust: Trust | None = None) -> AuditReport:
    """Check entries that were written out, each tenant's from whichever it begins with, without Redis or a store.

    Args:
        trust: whose signatures are believed; None to look at none.
    """
    checks: dict[str, Check] = {}
    lost: list[AuditEntry] = []
    tenant = ""
    for raw in map(chain.exported, lines):
        # One that cannot be read belongs to the tenant whose lines it stands among.
        if line := chain.parsed(raw):
            tenant = line.tenant
            lost += [entry for entry in chain.entries_of([raw]) if _tells_of_loss(entry)]
        if tenant not in checks:
            before = Head(number=line.number - 1, digest=line.before) if line and line.number else Head()
            checks[tenant] = Check(tenant, trust, signed=before.number, head=before)
        checks[tenant].walk("", [raw])
    for check in checks.values():
        check.end(None)
    return _report(checks.values(), lost)


def _tells_of_loss(entry: AuditEntry) -> bool:
    """Whether a controller says so: what it has found is in no stream, and so has no id; others may write the word."""
    return entry.what == LOST and not entry.id


def _report(checks: Iterable[Check], lost: Sequence[AuditEntry]) -> AuditReport:
    every = list(checks)
    return AuditReport(
        heads={check.tenant: check.head for check in every},
        flaws=tuple(check.flaws[number] for check in every for number in sorted(check.flaws)),
        lost=tuple(lost),
    )


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
