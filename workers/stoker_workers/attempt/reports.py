"""Reporting to the ledger while a job runs."""

import logging
from collections import deque
from collections.abc import Sequence

from stoker.errors import Unavailable
from stoker.events import Checkpoint, Event
from stoker.ledger import attempts
from stoker.ledger.attempt import Attempt
from stoker.ledger.replies import ReportReply
from stoker.redis.calls import Call

from .extras import Extra
from .slot import Slot

_log = logging.getLogger(__name__)

_MOST_PENDING_EVENTS = 5_000


class Reports:
    """An attempt's reports to the ledger: heartbeats, with the events since the last one.

    While Redis is away, events wait.

    Args:
        keep: how many of the job's checkpoints stay.
        extras: what learns of the events that were reported.

    Attributes:
        answer: the ledger's reply to the last report that it received.
        were_received: whether it received the last report.
        pending: events for the next report.
    """

    def __init__(self, slot: Slot, attempt: Attempt, keep: int, extras: Sequence[Extra]) -> None:
        self._slot = slot
        self._attempt = attempt
        self._keep = keep
        self._extras = extras
        self._emitted = 0
        self.pending: deque[Event] = deque(maxlen=_MOST_PENDING_EVENTS)
        self.answer = ReportReply.OK
        self.were_received = True

    def add(self, event: Event) -> None:
        """Put an event into the next report."""
        self.pending.append(self._signed(event))
        self._emitted += 1

    def _signed(self, event: Event) -> Event:
        """A checkpoint is signed here, and not by the job, whose code may be anybody's."""
        signer = self._slot.signatures.signer
        if signer is None or not isinstance(event, Checkpoint):
            return event
        signed = signer.sign("checkpoint", self._attempt.job_id, event.artifact.digest)
        return event.model_copy(update={"signed": signed})

    def send(self) -> None:
        """Report, if Redis is there."""
        try:
            self._take(self._slot.connection.run(self._due(), patience_s=0))
        except Unavailable as error:
            self.were_received = False
            _log.warning("job %s goes on without Redis: %s", self._attempt.job_id, error)

    def send_all(self) -> None:
        """Report the events that are left, however long Redis is away.

        Raises:
            Unavailable: it is away, and the worker has to end.
        """
        if self.pending:
            self._take(self._slot.insist(self._due()))

    def _due(self) -> Call[ReportReply]:
        """The report that is due now."""
        events, lease_s = list(self.pending), self._slot.settings.lease_s
        sent_before = self._emitted - len(events)
        return attempts.report(self._attempt, lease_s, events, sent_before=sent_before, keep=self._keep)

    def _take(self, answer: ReportReply) -> None:
        self.answer = answer
        self.were_received = True
        for extra in self._extras:
            extra.reported(self.pending)
        self.pending.clear()
