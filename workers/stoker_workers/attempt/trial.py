"""A trial at its rungs: what it reaches goes into the ledger, and if others did better it is ended early."""

from collections import deque

from stoker.errors import Unavailable
from stoker.events import Epoch, Event
from stoker.kinds.tuning.halving import Halving, reason_for_pruning, survives
from stoker.ledger import children
from stoker.ledger.attempt import Attempt
from stoker.ledger.children import Standing
from stoker.redis.calls import Call

from .extras import Extra
from .messages import End, Failed, Halted, Pruned
from .slot import Slot


class Trial(Extra):
    """Holds a child against the others of its parent at some epochs.

    The verdict follows from what the ledger has, and from nothing else: the values that were there when this one came
    first, in their order. So a slot that is killed after it, or an attempt that passes the rung again, changes nothing:
    the next attempt asks for the last rung that was reached before it looks at anything else.
    """

    def __init__(self, slot: Slot, attempt: Attempt, halving: Halving) -> None:
        self._slot = slot
        self._attempt = attempt
        self._halving = halving
        self._epochs: deque[Epoch] = deque()
        self._is_new = True
        self._end: End | None = None

    def emitted(self, event: Event) -> None:
        """Note an epoch that is a rung."""
        if isinstance(event, Epoch) and event.epoch in self._halving.rungs:
            self._epochs.append(event)

    def looked_at(self, end: End | None, runner: int) -> End | None:  # noqa: ARG002
        """End a trial that is not among the best, and that has not failed or been cancelled by itself."""
        if isinstance(end, Failed) or (isinstance(end, Halted) and end.reason == "cancel"):
            return end
        try:
            self._judge(may_wait=end is not None)
        except Unavailable:
            # Redis is away: the trial goes on until it is back.
            return end
        return self._end or end

    def _judge(self, *, may_wait: bool) -> None:
        if self._is_new and self._attempt.number > 1:
            self._hold_against(self._run(children.reached(self._attempt), may_wait=may_wait))
        self._is_new = False
        while self._epochs and not self._end:
            epoch = self._epochs[0]
            value = epoch.metrics.get(self._halving.monitor)
            if value is None:
                known = ", ".join(epoch.metrics) or "none"
                reason = f"epoch {epoch.epoch} has no metric {self._halving.monitor!r} to judge it by; it has: {known}"
                self._end = Failed(reason=reason, traceback="")
                return
            call = children.reach(self._attempt, epoch.epoch, value, is_last=epoch.epoch == epoch.epochs)
            self._hold_against(self._run(call, may_wait=may_wait))
            self._epochs.popleft()

    def _run(self, call: Call[Standing | None], *, may_wait: bool) -> Standing | None:
        """What the ledger has. The end of a trial waits for it, like its result; one that goes on does not."""
        return self._slot.insist(call) if may_wait else self._slot.connection.run(call, patience_s=0)

    def _hold_against(self, at: Standing | None) -> None:
        if at and not at.was_last and not survives(at.values, at.own, self._halving):
            self._end = Pruned(reason=reason_for_pruning(at.epoch, at.values, at.own, self._halving))
