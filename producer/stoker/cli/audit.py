"""`stoker audit`: who did what, and whether the record of it is whole."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..security.audit import AuditEntry, chain, verifying
from ..security.audit.verifying import AuditReport
from ..security.signatures import signatures_of
from ..settings import Settings
from ..terminal.amounts import ago
from .moments import moment
from .output import AsJson, Styled, draw, print_json, say
from .table import Table

_SHORT_DIGEST = 16

audit = typer.Typer(
    name="audit",
    help="Show who submitted, cancelled, approved, moved, removed or read what, and what was refused. It is noted "
    "where a controller has the setting audit, and sealed in the store within a second.",
    no_args_is_help=True,
)
Tenant = Annotated[
    str | None, typer.Option("--tenant", help="Only what was done on behalf of a tenant; an empty text for nobody.")
]


@audit.command()
def tail(
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option("--limit", help="How many to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest entries, the newest last; those that are not sealed yet have no number."""
    with Client() as client:
        entries = client.audit(limit, tenant=tenant)
    if as_json:
        print_json(entries)
    elif entries:
        draw(
            Table(["no.", "when", "who", "what", "about", "tenant", "text"], map(_row, entries), cut=["about", "text"])
        )
    else:
        say("nothing is noted: set audit = true for the controller, or STOKER_AUDIT=true")


@audit.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="What `stoker audit export` has written, in place of Redis and the store.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that the sealed entries are what was sealed, and all there.

    Prints the end of each tenant's chain: keep that elsewhere, and compare. Exit status: 0 all is there as it was,
    1 something was changed, moved or cut.
    """
    if file:
        report = _of_file(file)
    else:
        with Client() as client:
            report = client.verify_audit()
    if as_json:
        print_json(report)
    else:
        _say(report)
    raise typer.Exit(int(not report.is_sound))


@audit.command()
def export(
    to: Annotated[Path | None, typer.Option("--to", help="A file to write to, in place of stdout.")] = None,
    tenant: Tenant = None,
    since: Annotated[str | None, typer.Option("--since", help="A time such as 2h, 7d or 2026-01-31T08:00.")] = None,
) -> None:
    """Write the sealed entries as JSON lines, tenant by tenant, the oldest first.

    `stoker audit verify FILE` checks them.
    """
    with Client() as client:
        lines = verifying.sealed_lines(client.settings.store, tenant, moment("--since", since))
    if to is None:
        for line in lines:
            if chain.parsed(line):
                print_json(json.loads(line))
        return
    try:
        with to.expanduser().open("xb") as file:
            count = sum(file.write(line + b"\n") > 0 for line in lines)
    except FileExistsError:
        raise InvalidArgument(f"{to} is there already: name another file") from None
    say(f"{count} entries are in {to}")


def _of_file(file: Path) -> AuditReport:
    """What a check of exported entries finds, by the settings' `trusted_keys`."""
    try:
        with file.expanduser().open("rb") as lines:
            return verifying.verify_lines((line.rstrip(b"\r\n") for line in lines), signatures_of(Settings()).trust)
    except OSError as error:
        raise InvalidArgument(
            f"{file} cannot be read: {error.strerror}: name what `stoker audit export` wrote"
        ) from None


def _row(entry: AuditEntry) -> list[Styled]:
    number = "" if entry.number is None else str(entry.number)
    who = entry.who or entry.user
    return [number, ago(entry.at), (f"{who} ({entry.by})", "bold"), entry.what, entry.about, entry.tenant, entry.text]


def _say(report: AuditReport) -> None:
    for tenant, head in report.heads.items():
        of = f"tenant {tenant}" if tenant else "no tenant"
        say((f"{of}: ", "bold"), f"{head.number} entries, the last is {head.digest}")
    for flaw in report.flaws:
        say(("flaw  ", "bold red"), f"entry {flaw.number} of tenant {flaw.tenant!r} {flaw.flaw}")
    for entry in report.lost:
        of = f", of the Redis user {entry.user}" if entry.user else ""
        say(("lost  ", "bold red"), f"before entry {entry.number}{of}: {entry.text}")
    if report.is_sound:
        say("everything is there as it was sealed" if report.heads else "nothing is sealed")
