"""What one process signs with, and whom it believes, by its settings."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from ..settings import Settings
from .keys import read_private
from .signing import SIGNED, Signer, What, fields_of
from .trust import Trust, check_spec


@dataclass(frozen=True)
class Signatures:
    """What a process signs with and whom it believes; nothing is read before it is needed.

    Attributes:
        signing_key, trusted_keys: as in the settings.
    """

    signing_key: Path | None
    trusted_keys: Path | None

    def read(self) -> None:
        """Read the keys now: who starts without them would find out by the first job, and lose it.

        Raises:
            InvalidSettings: they cannot be read.
        """
        _ = self.signer, self.trust

    def check(self, what: What, about: str, document: str | bytes, spec: str = "") -> None:
        """Check a document, if this process does not believe everything.

        Args:
            spec: the digest of the spec that its job must have; "" for any.

        Raises:
            Untrusted: see `Trust.check_document`; or it is of a job with another spec.
        """
        if self.trust:
            check_spec(self.trust.check_document(what, about, document), spec)

    def doubt(self, job_id: str, failure: str | bytes, spec: str = "") -> str:
        """What is to be said behind the reason of a failure; "" if there is nothing.

        Raises:
            Untrusted: it is signed, and that is wrong: see `check`.
        """
        if self.trust is None:
            return ""
        if not fields_of(failure).get(SIGNED):
            return " (no worker has signed that: whoever can write to Redis may have made it up)"
        self.check("failure", job_id, failure, spec)
        return ""

    @cached_property
    def signer(self) -> Signer | None:
        """Signs what this process submits and makes; None if it signs nothing.

        Raises:
            InvalidSettings: the key cannot be read.
        """
        return Signer(read_private(self.signing_key)) if self.signing_key else None

    @cached_property
    def trust(self) -> Trust | None:
        """Checks what others have signed; None if this process believes everything.

        Raises:
            InvalidSettings: the keys cannot be read.
        """
        return Trust(self.trusted_keys) if self.trusted_keys else None


@lru_cache(maxsize=64)
def _signatures(signing_key: Path | None, trusted_keys: Path | None) -> Signatures:
    return Signatures(signing_key, trusted_keys)


def signatures_of(settings: Settings) -> Signatures:
    """What the settings say, read once in each process."""
    return _signatures(settings.signing_key, settings.trusted_keys)


UNSIGNED = Signatures(None, None)
"""Signs nothing, and believes everything."""
