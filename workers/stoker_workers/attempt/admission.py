"""What of a job is believed before anything of it is executed: its spec, its checkpoints, and what its models are."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from stoker.client.signing import sign
from stoker.errors import Untrusted
from stoker.events import JobState
from stoker.kinds import Spec, read_spec
from stoker.ledger.attempt import Attempt
from stoker.ledger.attempts import Sign
from stoker.ledger.intake import NewJob
from stoker.models.manifest import Artifact
from stoker.security.signing import digest_of_children, digest_of_text, fields_of, read_statement, said_of
from stoker.security.trust import Trust, check_spec
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
    """Check who has signed the results of a job's children, and that they are those of all that it has asked for.

    Raises:
        Untrusted: one of them is refused, or they are not.
    """
    if (trust := slot.signatures.trust) is None or not attempt.children:
        return
    with _noted(slot, attempt):
        said = []
        for document in attempt.children:
            about = _about(attempt, document)
            said.append(trust.check_document("result", about, document))
            _place(attempt.job_id, about)
        results = digest_of_children((each.about, each.spec) for each in said)
        trust.check_file("children", attempt.job_id, results, attempt.children_signed)


@contextmanager
def _noted(slot: Slot, attempt: Attempt) -> Iterator[None]:
    """Note in the audit what of a job's children is refused."""
    try:
        yield
    except Untrusted as error:
        slot.refused(attempt.job_id, error.message)
        raise


def _about(attempt: Attempt, document: bytes) -> str:
    """Which child's result a document says that it is."""
    try:
        return said_of(document).about
    except Untrusted as error:
        raise Untrusted(
            f"the result of a job that {attempt.job_id} has asked for is refused: {error.message}: its worker needs a "
            "STOKER_SIGNING_KEY of the role worker"
        ) from None


def check_asked(slot: Slot, attempt: Attempt) -> None:
    """Check who has signed the results of the children of a job that goes on with each of them, and of which specs.

    Raises:
        Untrusted: one of them is refused.
    """
    if (trust := slot.signatures.trust) is None:
        return
    for document in attempt.asked:
        with _noted(slot, attempt):
            _check_child(trust, attempt.job_id, document)


def _check_child(trust: Trust, parent: str, document: bytes) -> None:
    """Check what a job sees of a child: its number, and of which spec its result is."""
    child = fields_of(document)
    child_id, result, state = str(child.get("id")), child.get("result"), child.get("state")
    if child.get("number") != (number := _place(parent, child_id)[1]):
        raise Untrusted(f"job {child_id} is number {number} of what was asked for, and is listed as another")
    if not isinstance(result, dict):
        return
    if state != JobState.SUCCEEDED:
        raise Untrusted(f"job {child_id} is listed as {state}, and has a result")
    said = trust.check_fields("result", child_id, result)
    check_spec(said, digest_of_text(_spec_within(document.decode(errors="replace"), child)))


def _spec_within(document: str, child: Mapping[str, object]) -> str:
    """The text of a child's spec as the document has it which a script has put together."""
    before = ',"spec":'
    try:
        start = document.index(before) + len(before)
        spec, end = json.JSONDecoder().raw_decode(document, start)
    except ValueError:
        spec, start, end = None, 0, 0
    if not spec or spec != child.get("spec"):
        raise Untrusted(f"the spec of job {child.get('id')} cannot be read")
    return document[start:end]


def _place(parent: str, child: str) -> tuple[int, int]:
    """Of which attempt a job is a child, and which of its children."""
    match = re.fullmatch(re.escape(parent) + r"-(\d+)-(\d+)", child)
    if match is None:
        raise Untrusted(f"job {child} is no child of job {parent}, and its result was put among theirs")
    return int(match[1]), int(match[2])


def sign_for(slot: Slot, attempt: Attempt) -> Sign:
    """How what a job makes is signed, if it is: as that of its very spec."""
    signer = slot.signatures.signer
    if signer is None:
        return lambda _what, _about, document: document
    return partial(signer.sign_document, spec=digest_of_text(attempt.spec))


def sign_children(slot: Slot, attempt: Attempt) -> Callable[[Sequence[NewJob]], str]:
    """How the children of an attempt's job are signed: by this worker, for whoever had the job run.

    What it gives says which children the job has asked for by then, those of earlier attempts first.
    """
    signer = slot.signatures.signer
    if signer is None:
        return lambda _: ""
    try:
        under = read_statement(attempt.envelope)[0].authority
    except Untrusted:
        # Nobody has signed it, and this worker trusts everybody.
        under = ""

    def sign_all(jobs: Sequence[NewJob]) -> str:
        sign(jobs, signer, under=under)
        before = ((said.about, said.spec) for said in map(said_of, attempt.children))
        asked = digest_of_children((*before, *((job.id, job.digest) for job in jobs)))
        return signer.sign("children", attempt.job_id, asked)

    return sign_all
