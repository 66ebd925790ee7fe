"""The audit: who did what."""

from starlette.requests import Request
from starlette.responses import Response

from ... import AuditReport
from ...terminal.html import tag
from ..auth.keys import ApiKey
from ..auth.scopes import sees_tenant
from ..routes import Caller, Client, needs
from .page import ROOT, console_router, link, listed, page, section
from .words import moment

ROUTES = console_router()
_SHOWN = 200
_HEAD = ("No.", "When", "Redis user", "Who", "What", "About", "In words", "Tenant")
_NONE = "Nothing is noted: set audit = true for the controller, or STOKER_AUDIT=true."


@ROUTES.get("/audit", openapi_extra=needs("operate"))
async def audit(request: Request, client: Client, key: Caller) -> Response:
    """The newest entries."""
    rows = [
        (
            str(entry.number or "not sealed"),
            moment(entry.at),
            entry.user,
            entry.who or entry.by,
            entry.what,
            entry.about,
            entry.text,
            entry.tenant,
        )
        for entry in reversed(await client.audit(_SHOWN))
        if sees_tenant(key, entry.tenant)
    ]
    check = tag("p", link(f"{ROOT}/audit/check", "Check that all is there as it was sealed"), class_="acts")
    return page(request, "Audit", check, listed("Entries, the newest first", _HEAD, rows, none=_NONE))


@ROUTES.get("/audit/check", openapi_extra=needs("operate"))
async def check(request: Request, client: Client, key: Caller) -> Response:
    """Check the sealed entries."""
    report = visible_report(key, await client.verify_audit())
    found = "All is there, as it was sealed." if report.is_sound else "Something was changed, moved or cut."
    heads = [(tenant or "(none)", str(head.number), tag("code", head.digest)) for tenant, head in report.heads.items()]
    wrong = [(flaw.tenant or "(none)", str(flaw)) for flaw in report.flaws]
    wrong += [(entry.tenant or "(none)", f"before entry {entry.number}: {entry.text}") for entry in report.lost]
    return page(
        request,
        "Audit: check",
        tag("p", found, class_="" if report.is_sound else "alert"),
        listed("What is wrong", ("Tenant", "What"), wrong, none=""),
        section(
            "Ends of the chains", listed("Heads", ("Tenant", "Entries", "Digest"), heads, none="Nothing is sealed.")
        ),
    )


def visible_report(key: ApiKey, report: AuditReport) -> AuditReport:
    """What a check has found of the tenants that a key is for."""
    return AuditReport(
        heads={tenant: head for tenant, head in report.heads.items() if sees_tenant(key, tenant)},
        flaws=tuple(flaw for flaw in report.flaws if sees_tenant(key, flaw.tenant)),
        lost=tuple(entry for entry in report.lost if sees_tenant(key, entry.tenant)),
    )
