"""Signing jobs as they are submitted, and the ids by which one signature covers several."""

import uuid
from collections.abc import Sequence

from ..kinds import Spec
from ..ledger.intake import NewJob
from ..security.signing import Signer, nth

# So many specs are signed together: a signature takes longer than all else there is to a job of a list, and each of
# them lists the digests of all in its record.
_TOGETHER = 4


class NewIds:
    """Ids for new jobs. Those of jobs that share a spec count on, so that one signature covers them all."""

    def __init__(self) -> None:
        self._jobs: dict[int, tuple[str, int]] = {}

    def next(self, spec: Spec) -> str:
        """An id for a job with a spec."""
        first, count = self._jobs.get(id(spec)) or (str(uuid.uuid4()), 0)
        self._jobs[id(spec)] = first, count + 1
        return nth(first, count)


def sign(jobs: Sequence[NewJob], signer: Signer, *, under: str = "") -> None:
    """Sign jobs; those that share a spec have ids of `NewIds`.

    Args:
        under: the key of the client that they are submitted for; "" for the signer's own.
    """
    sharing: dict[int, list[NewJob]] = {}
    for job in jobs:
        sharing.setdefault(id(job.spec), []).append(job)
    specs = list(sharing.values())
    for at in range(0, len(specs), _TOGETHER):
        together = specs[at : at + _TOGETHER]
        envelope = signer.sign_jobs([(same[0].id, same[0].digest, len(same)) for same in together], under=under)
        for same in together:
            for job in same:
                job.envelope = envelope
