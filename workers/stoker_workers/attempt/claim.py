"""Claiming a job: from its message to the end of the attempt."""

import logging

from stoker.errors import InvalidJob, StokerError, Unavailable, Untrusted
from stoker.events import JobState
from stoker.ledger import attempts, children, quarantine
from stoker.ledger.attempt import Attempt
from stoker.ledger.quarantine import QuarantineReason
from stoker.ledger.replies import Refusal
from stoker.outages import Dependency, DependencyUnavailable, one_line
from stoker.terminal.process_log import about
from stoker.version import RELEASE

from .admission import admitted, sign_for
from .ending import Ending, Settlement
from .execution import Execution
from .messages import Lost
from .slot import Slot

_log = logging.getLogger(__name__)


def run_job(slot: Slot, job_id: str, queue: str) -> Ending:
    """Claim a job, whose message came from `queue`, and see it to its end.

    The message of a job which is taken, ended or unknown is dropped: the ledger decides, not the message.
    If Redis stays away until the worker has to end, so is the job itself: its message is sent again, or its lease ends.
    """
    try:
        if missing := slot.dependencies.missing():
            slot.insist(attempts.put_off(job_id, missing))
            return Ending("dropped", f"put off: {missing.reason}")
        with slot.reserved_share() as has_share:
            return _claim(slot, job_id, queue, has_share=has_share)
    except Unavailable as error:
        return Ending("dropped", error.message)


def _claim(slot: Slot, job_id: str, queue: str, *, has_share: bool) -> Ending:
    free = slot.reservations.free_bytes(slot.place) if has_share else 0
    owner, lease_s = slot.new_owner(), slot.settings.lease_s
    claimed = slot.insist(attempts.claim(job_id, owner, slot.worker, lease_s, slot.offers, free_bytes=free))
    if claimed is Refusal.MISSING and not children.is_child(job_id):
        slot.insist(quarantine.put_aside(QuarantineReason.UNKNOWN_JOB, queue, job_id.encode()))
    if isinstance(claimed, Refusal):
        return Ending("dropped", f"the job is {claimed}")
    _deliver(slot)
    with slot.tracer.attempt(claimed, slot.worker) as set_end:
        ending = _follow(slot, claimed)
        set_end(*ending)
    _deliver(slot)
    return ending


def _follow(slot: Slot, attempt: Attempt) -> Ending:
    try:
        spec = admitted(slot, attempt)
    except Untrusted as error:
        slot.insist(attempts.fail(attempt, JobState.FAILED, error.message, sign=sign_for(slot, attempt)))
        return Ending("failed", error.message)
    except InvalidJob as error:
        if attempt.release > RELEASE:
            slot.insist(attempts.release(attempt, "unknown", error.message))
            return Ending("handed back", f"a newer Stoker has submitted it: {error.message}")
        reason = f"its record holds no job: {error.message}"
        # Clients refuse it themselves, so somebody has written it by hand.
        slot.refused(attempt.job_id, reason)
        slot.insist(attempts.fail(attempt, JobState.FAILED, reason, sign=sign_for(slot, attempt)))
        return Ending("failed", error.message)
    try:
        with about(job=attempt.job_id, attempt=attempt.number, tenant=spec.tags.get("tenant")):
            return Execution(slot, attempt, spec).follow()
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001  # the slot's edge: the job shall not wait for the end of its lease
        _log.exception("job %s: its slot failed", attempt.job_id)
        reason = f"its slot failed: {type(error).__name__}: {one_line(error)}"
        return Settlement(slot, attempt, spec).settle(Lost(reason=reason))


def _deliver(slot: Slot) -> None:
    try:
        slot.results.deliver()
        slot.dependencies.is_back(Dependency.RESULTS)
    except DependencyUnavailable as error:
        slot.dependencies.met(error.outage)
    except StokerError as error:
        _log.warning("results will be copied later: %s", error)
