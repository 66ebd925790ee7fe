"""Signing jobs as they are submitted, and the ids by which one signature covers several."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from ..kinds import Spec
from ..ledger.intake import NewJob
from ..security.signing import Signer, digest_of_text, nth


class NewIds:
    """Ids for new jobs. Those of jobs that share a spec count on, so that one signature covers them all."""

    def __init__(self) -> None:
        self._jobs: dict[int, tuple[str, int]] = {}

    def next(self, spec: Spec) -> str:
        """An id for a job with a spec."""
        first, count = self._jobs.get(id(spec)) or (str(uuid.uuid4()), 0)
        self._jobs[id(spec)] = first, count + 1
        return nth(first, count)


def signed(jobs: Sequence[NewJob], signer: Signer, *, under: str = "") -> list[NewJob]:
    """The jobs, signed; those that share a spec have ids of `NewIds`.

    Args:
        under: the key of the client that they are submitted for; "" for the signer's own.
    """
    sharing: defaultdict[int, list[NewJob]] = defaultdict(list)
    for job in jobs:
        sharing[id(job.spec)].append(job)
    statements = {}
    for spec, (first, *others) in sharing.items():
        statements[spec] = statement(first, signer, count=1 + len(others), under=under)
    return [_with_envelope(job, statements[id(job.spec)]) for job in jobs]


def _with_envelope(job: NewJob, envelope: str) -> NewJob:
    new = replace(job, envelope=envelope)
    # What is written already is not written again.
    if "document" in vars(job):
        vars(new)["document"] = job.document
    return new


def statement(job: NewJob, signer: Signer, *, count: int = 1, under: str = "") -> str:
    """A signed statement about a job, and so many others that share its spec."""
    return signer.sign(
        "job",
        job.id,
        digest_of_text(job.document),
        count=count,
        kind=job.spec.kind,
        attempts=job.spec.max_attempts,
        under=under,
    )
