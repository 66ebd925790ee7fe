"""What a client has submitted, and whether that is what it is given."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ..errors import InvalidJob, Untrusted
from ..kinds import read_spec
from ..kinds.identity import work_of
from ..kinds.tasks import digest
from ..ledger import records
from ..ledger.intake import NewJob
from ..redis.calls import Steps
from ..security.signatures import Signatures


class Submitted(NamedTuple):
    """A job that was submitted.

    Attributes:
        spec: the digest of its spec; "" where that is unknown.
    """

    id: str
    spec: str = ""


def submitted(jobs: Sequence[NewJob], ids: Sequence[str], signatures: Signatures) -> Steps[list[Submitted]]:
    """Jobs by the ids that Redis gives for them, some perhaps of older jobs.

    Raises:
        Untrusted: see `_older`.
    """
    if signatures.trust is None:
        # Whoever believes everything holds results against nothing.
        return list(map(Submitted, ids))
    listed: list[Submitted] = []
    for job, given in zip(jobs, ids, strict=True):
        spec = job.digest if given == job.id else (yield from _older(job, given))
        listed.append(Submitted(given, spec))
    return listed


def _older(job: NewJob, given: str) -> Steps[str]:
    """Check an older job that is given in place of a new one; gives the digest of its spec.

    Raises:
        Untrusted: it has another spec, and neither a singleton nor reuse leads to that.
    """
    text: str = yield records.spec_text(given)
    if (found := digest(text)) == job.digest:
        return found
    with suppress(InvalidJob):
        its_spec, spec = read_spec(text), job.spec
        if spec.singleton and its_spec.singleton == spec.singleton:
            return found
        if job.identity and work_of(its_spec) == work_of(spec):
            return found
    raise Untrusted(
        f"job {given} is given in place of a new one, and has another spec; neither a singleton, nor reuse, nor an "
        "idempotency key leads to that: somebody has written to its record, or to the key, past Stoker"
    )
