"""Signatures of Standard Webhooks 1.0: HMAC with SHA-256 (`v1`), and Ed25519 (`v1a`)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from ..security.keys import ed25519, public_bytes

_SECRET, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_SECRET_BYTES = 32
# Of the 24 to 64 bytes that the standard asks for, and of a key's 32.
_OF_SECRET, _OF_KEY = "[A-Za-z0-9+/]{32,86}={0,2}", "[A-Za-z0-9+/]{43}="


class SigningSecret(BaseModel):
    """What the deliveries of a webhook are signed with.

    Attributes:
        secret: of `v1`, shared with the receiver.
        private: of `v1a`, whose public part the receiver has; "" if the webhook has none.
        until: when it signs no longer, for another has taken its place; None as long as none has.
    """

    # A newer version's fields stay where this version writes the record again.
    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    secret: str = Field(pattern=rf"^{_SECRET}{_OF_SECRET}$")
    private: str = Field(default="", pattern=rf"^({_PRIVATE}{_OF_KEY})?$")
    until: datetime | None = None

    def __repr__(self) -> str:
        return "SigningSecret(***)"

    __str__ = __repr__

    @property
    def public(self) -> str:
        """The public key of `v1a`, "whpk_…"; "" if there is none."""
        if not self.private:
            return ""
        private = ed25519().Ed25519PrivateKey.from_private_bytes(_bytes(self.private, _PRIVATE))
        return _text(_PUBLIC, public_bytes(private))


def new_secret(*, with_ed25519: bool) -> SigningSecret:
    """A secret that nobody knows.

    Raises:
        InvalidSettings: a key of Ed25519 is wanted, and the package cryptography is not installed.
    """
    private = _text(_PRIVATE, ed25519().Ed25519PrivateKey.generate().private_bytes_raw()) if with_ed25519 else ""
    return SigningSecret(secret=_text(_SECRET, secrets.token_bytes(_SECRET_BYTES)), private=private)


def signatures(message_id: str, timestamp: int, body: bytes, signers: Iterable[SigningSecret]) -> str:
    """The header `webhook-signature`: one signature for each secret, and for each key.

    Args:
        timestamp: of this try, in seconds since 1970.

    Raises:
        InvalidSettings: there is a key of Ed25519, and the package cryptography is not installed.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    words = []
    for signer in signers:
        digest = hmac.new(_bytes(signer.secret, _SECRET), signed, hashlib.sha256).digest()
        words.append(f"v1,{base64.b64encode(digest).decode()}")
        if signer.private:
            private = ed25519().Ed25519PrivateKey.from_private_bytes(_bytes(signer.private, _PRIVATE))
            words.append(f"v1a,{base64.b64encode(private.sign(signed)).decode()}")
    return " ".join(words)


def _text(prefix: str, raw: bytes) -> str:
    return prefix + base64.b64encode(raw).decode()


def _bytes(text: str, prefix: str) -> bytes:
    return base64.b64decode(text.removeprefix(prefix))
