"""The audit: who did what."""

import asyncio

from ..redis.calls import Steps
from ..security import audit
from ..security.audit import AuditEntry, in_order, verifying
from ..security.audit.verifying import AuditReport
from . import arguments
from .calls import AsyncCalls, Calls

_LONGEST_TENANT = 256


class AuditCalls(Calls):
    """A part of the blocking client."""

    def audit(self, limit: int = 100, *, tenant: str | None = None) -> list[AuditEntry]:
        """Who did what, the newest entries, the oldest of them first. It is noted where the setting `audit` is on.

        Args:
            limit: how many to give, at most.
            tenant: only what was done on behalf of one; "" for what was for none.

        Raises:
            Unavailable: Redis or the store cannot be reached.
        """
        return self._drive(_newest(arguments.limit(limit), _tenant(tenant), self.settings.store))

    def verify_audit(self) -> AuditReport:
        """Check that the sealed audit is as it was sealed, and all there. It is read as a whole.

        Where `trusted_keys` is set, a controller among them must have signed all of it.

        Raises:
            Unavailable: Redis or the store cannot be reached.
        """
        return verifying.verify(self.settings.store, self._run(audit.sealed()), self._signatures.trust)


class AsyncAuditCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def audit(self, limit: int = 100, *, tenant: str | None = None) -> list[AuditEntry]:
        """See `Client.audit`."""
        most, of = arguments.limit(limit), _tenant(tenant)
        unsealed = await self._drive(audit.newest(most))
        sealed = await asyncio.to_thread(verifying.newest, self.settings.store, most, of)
        return _merged(sealed, unsealed, most, of)

    async def verify_audit(self) -> AuditReport:
        """See `Client.verify_audit`."""
        return await asyncio.to_thread(
            verifying.verify, self.settings.store, await self._run(audit.sealed()), self._signatures.trust
        )


def _newest(limit: int, tenant: str | None, store_url: str) -> Steps[list[AuditEntry]]:
    unsealed: list[AuditEntry] = yield from audit.newest(limit)
    return _merged(verifying.newest(store_url, limit, tenant), unsealed, limit, tenant)


def _merged(sealed: list[AuditEntry], unsealed: list[AuditEntry], limit: int, tenant: str | None) -> list[AuditEntry]:
    """What is read of both, without what was sealed in between."""
    known = {(entry.user, entry.id) for entry in sealed}
    new = [entry for entry in unsealed if (entry.user, entry.id) not in known and tenant in (None, entry.tenant)]
    return in_order([*sealed, *new])[-limit:]


def _tenant(tenant: object) -> str | None:
    return None if tenant is None else arguments.text(tenant, "a tenant", _LONGEST_TENANT)
