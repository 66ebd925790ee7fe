"""What of a job is believed before anything of it is executed: its spec, its checkpoints, and what its models are."""

import re
from collections.abc import Callable, Sequence
from functools import partial

from stoker.client.signing import sign
from stoker.errors import Untrusted
from stoker.kinds import Spec, read_spec
from stoker.ledger.attempt import Attempt
from stoker.ledger.attempts import Sign
from stoker.ledger.intake import NewJob
from stoker.models.manifest import Artifact
from stoker.security.signing import fields_of, read_statement, said_of
from stoker.tenants import TENANT

from .slot import Slot


def admitted(slot: Slot, attempt: Attempt) -> Spec:
    """The spec of an attempt, if who has signed it may have it run here.

    Raises:
        Untrusted: it is refused; nothing has read it, or at least executed nothing of it.
        InvalidJob: it is no spec.
    """
    trust = slot.signatures.trust
    if trust is None:
        return read_spec(attempt.spec)
    tenant = who = ""
    try:
        admission = trust.admit(attempt.job_id, attempt.spec, attempt.envelope, attempt.losses)
        who = admission.statement.by
        spec = read_spec(attempt.spec)
        tenant = spec.tags.get(TENANT, "")
        admission.check(spec, slot.device)
    except Untrusted as error:
        reason = f"job {attempt.job_id} is refused: {error.message}"
        slot.refused(attempt.job_id, reason, tenant, who)
        raise Untrusted(reason) from None
    return spec


def check_made(slot: Slot, attempt: Attempt, ref: str) -> None:
    """Check that who has signed an attempt may have a model that its spec names by the job which has made it.

    Raises:
        Untrusted: it is refused.
    """
    if (trust := slot.signatures.trust) is None:
        return
    try:
        trust.admit(attempt.job_id, attempt.spec, attempt.envelope, attempt.losses).check_made(ref)
    except Untrusted as error:
        reason = f"job {attempt.job_id} is refused: {error.message}"
        slot.refused(attempt.job_id, reason)
        raise Untrusted(reason) from None


def believed_checkpoints(slot: Slot, attempt: Attempt) -> tuple[tuple[Artifact, ...], tuple[str, ...]]:
    """The checkpoints of an attempt that a worker has signed, and why others are left out."""
    trust = slot.signatures.trust
    if trust is None:
        return attempt.checkpoints, ()
    believed, refused = list[Artifact](), list[str]()
    for artifact, signed in zip(attempt.checkpoints, attempt.checkpoints_signed, strict=True):
        try:
            trust.check_file("checkpoint", attempt.job_id, artifact.digest, signed)
            believed.append(artifact)
        except Untrusted as error:
            slot.refused(attempt.job_id, error.message)
            refused.append(error.message)
    return tuple(believed), tuple(refused)


def check_children(slot: Slot, attempt: Attempt) -> None:
    """Check who has signed the results of a job's children, that each is another's, and that they are in order.

    Raises:
        Untrusted: one of them is refused.
    """
    if slot.signatures.trust is None:
        return
    last = (-1, -1)
    for document in attempt.children:
        about = _about(slot, attempt, document)
        slot.check_result(about, document)
        place = _place(attempt.job_id, about)
        if place <= last:
            raise Untrusted(f"the results of the jobs that it has asked for were changed: {about} is in a wrong place")
        last = place


def _about(slot: Slot, attempt: Attempt, document: bytes) -> str:
    """Which child's result a document says that it is."""
    try:
        return said_of(document).about
    except Untrusted as error:
        reason = (
            f"the result of a job that {attempt.job_id} has asked for is refused: {error.message}: its worker needs a "
            "STOKER_SIGNING_KEY of the role worker"
        )
        slot.refused(attempt.job_id, reason)
        raise Untrusted(reason) from None


def check_asked(slot: Slot, attempt: Attempt) -> None:
    """Check who has signed the results of the children of a job that goes on with each of them.

    Raises:
        Untrusted: one of them is refused.
    """
    if (trust := slot.signatures.trust) is None:
        return
    for document in attempt.asked:
        child = fields_of(document)
        if isinstance(result := child.get("result"), dict):
            child_id = str(child.get("id"))
            try:
                _place(attempt.job_id, child_id)
                trust.check_fields("result", child_id, result)
            except Untrusted as error:
                slot.refused(child_id, error.message)
                raise


def _place(parent: str, child: str) -> tuple[int, int]:
    """Of which attempt a job is a child, and which of its children."""
    match = re.fullmatch(re.escape(parent) + r"-(\d+)-(\d+)", child)
    if match is None:
        raise Untrusted(f"job {child} is no child of job {parent}, and its result was put among theirs")
    return int(match[1]), int(match[2])


def sign_for(slot: Slot) -> Sign:
    """How what the slot's jobs make is signed, if it is."""
    signer = slot.signatures.signer
    return signer.sign_document if signer else lambda _what, _about, document: document


def sign_children(slot: Slot, attempt: Attempt) -> Callable[[Sequence[NewJob]], None]:
    """How the children of an attempt's job are signed: by this worker, for whoever had the job run."""
    signer = slot.signatures.signer
    if signer is None:
        return lambda _: None
    try:
        under = read_statement(attempt.envelope)[0].authority
    except Untrusted:
        # Nobody has signed it, and this worker trusts everybody.
        under = ""
    return partial(sign, signer=signer, under=under)
