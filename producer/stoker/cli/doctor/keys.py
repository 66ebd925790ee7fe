"""The check of keys: whether those that are named can be read, and how long they hold."""

from datetime import UTC, datetime, timedelta

from ...security.signatures import signatures_of
from .check import Check, Finding, System, fail, ok, warn

_SOON = timedelta(days=30)


def _keys(system: System) -> Finding:
    signatures, now = signatures_of(system.settings), datetime.now(UTC)
    signer, trust = signatures.signer, signatures.trust
    if trust is None:
        signs = f"this signs with key {signer.id}, and " if signer else ""
        return ok(f"{signs}everything is believed: STOKER_TRUSTED_KEYS names no keys")
    valid = [key for key in trust.keys.values() if not key.revoked]
    expired = [key for key in valid if key.has_expired(now)]
    soon = [key for key in valid if key not in expired and key.has_expired(now + _SOON)]
    numbers = {"trusted": len(valid) - len(expired), "expired": len(expired), "soon": len(soon)}
    numbers["revoked"] = len(trust.keys) - len(valid)
    own = trust.keys.get(signer.id) if signer else None
    if signer and (own is None or own.revoked or own in expired):
        return fail(
            f"this signs with key {signer.id}, which is not trusted: make another by `stoker keys new`", numbers
        )
    told = [f"{key.id} ({key.name}) has expired: revoke it, or remove its table" for key in expired]
    told += [f"{key.id} ({key.name}) expires at {key.expires:%Y-%m-%d}: make its follower now" for key in soon]
    if signer is None:
        told.append("this signs nothing, and what it submits is refused: set STOKER_SIGNING_KEY")
    if told:
        return warn("; ".join(told), numbers)
    return ok(f"{numbers['trusted']} are trusted, and this signs with {signer.id if signer else 'none'}", numbers)


CHECKS = (Check("keys", _keys),)
