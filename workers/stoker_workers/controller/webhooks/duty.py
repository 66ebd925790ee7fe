"""Delivers webhooks: what happened is made a delivery to each, and tried until it arrives or is given up."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from redis.exceptions import RedisError

from stoker.errors import InvalidSettings, StokerError
from stoker.ledger import clock
from stoker.redis.connection import Connection
from stoker.version import VERSION
from stoker.webhooks import calls
from stoker.webhooks.addresses import Addresses
from stoker.webhooks.calls import Claimed
from stoker.webhooks.schedule import pause_after
from stoker.webhooks.signing import signatures
from stoker.webhooks.webhook import Delivery, DeliveryState, StoredWebhook

from .sending import TRY_S, NotDelivered, post

_log = logging.getLogger(__name__)

AT_ONCE = 4
"""How many deliveries to one webhook are under way at once. No webhook takes the place of another's."""
# A name may take its time to be resolved before a try begins. Then the delivery is another controller's.
LEASE = timedelta(seconds=4 * TRY_S)
# Of a step, so that due deliveries have their turn in between.
_EVENTS = 1000
_GONE = 410
_DISABLED = "it answered 410: the receiver is gone"


class Webhooks:
    """The webhooks, as the leading controller sees to them.

    A step makes the events of the stream deliveries, and starts threads for those that are due. Each thread is one
    webhook's: it claims a delivery under a lease, tries it, notes how that ended, and goes on with the next. It ends
    when nothing is due, or with the first try that fails, so a receiver that is down is asked a few times a second at
    most. Whatever stops a controller in between, another claims the delivery when the lease is over, and sends it with
    the same id.

    Args:
        now: the time; that of Redis if it is left out.
        try_s: seconds that a try may take.
    """

    def __init__(
        self,
        connection: Connection,
        addresses: Addresses,
        now: Callable[[], datetime] | None = None,
        try_s: float = TRY_S,
    ) -> None:
        self._connection = connection
        self._addresses = addresses
        self._now = now or (lambda: connection.run(clock.now()))
        self._try_s = try_s
        self._lock = threading.Lock()
        self._threads: Counter[str] = Counter()
        self._is_ending = False

    @property
    def is_busy(self) -> bool:
        """Whether a try is under way."""
        with self._lock:
            return self._threads.total() > 0

    def end(self) -> None:
        """Begin no try any more."""
        self._is_ending = True

    def step(self) -> None:
        """Take in what happened, and have tried what is due."""
        now = self._now()
        look = self._connection.run(calls.look(now, _EVENTS))
        spread = 0
        for place, event in look.events.items():
            if event is None:
                _log.warning("something else than Stoker has written an event for webhooks: %s is left out", place)
            spread += self._connection.run(calls.spread(place, event, look.webhooks, now))
        for webhook in look.webhooks:
            self._start(webhook.id, look.due.get(webhook.id, 0) + spread)

    def _start(self, webhook_id: str, due: int) -> None:
        with self._lock:
            new = 0 if self._is_ending else min(due, AT_ONCE - self._threads[webhook_id])
            self._threads[webhook_id] += max(0, new)
        for _ in range(new):
            threading.Thread(target=self._work, args=(webhook_id,), name="webhook", daemon=True).start()

    def _work(self, webhook_id: str) -> None:
        try:
            while not self._is_ending:
                claimed = self._connection.run(calls.claim(webhook_id, self._now(), LEASE))
                if claimed is None or not self._try(claimed):
                    break
        except (StokerError, RedisError) as error:
            _log.warning("deliveries of webhook %s go on when Redis answers: %s", webhook_id, error)
        finally:
            with self._lock:
                self._threads[webhook_id] -= 1

    def _try(self, claimed: Claimed) -> bool:
        """Try a delivery, and note how that ended; returns whether it arrived."""
        problem, is_gone = self._problem(claimed)
        webhook, now = claimed.webhook, self._now()
        if webhook and is_gone:
            self._disable(webhook, now)
        becomes = _after(claimed.delivery, problem, now, is_last=webhook is None or is_gone)
        self._connection.run(calls.tried(claimed, becomes, now))
        if problem and webhook:
            _log.info(
                "webhook %s, %s: %s; %s",
                *(webhook.id, calls.place(webhook.url), problem),
                "given up" if becomes.state is DeliveryState.DEAD else f"tried again at {becomes.at:%H:%M:%S} UTC",
            )
        return not problem

    def _problem(self, claimed: Claimed) -> tuple[str, bool]:
        """What is wrong with a try, "" if nothing is, and whether the receiver is gone for good."""
        webhook, delivery = claimed.webhook, claimed.delivery
        if webhook is None:
            return "the record of the webhook cannot be read", False
        if webhook.disabled:
            return f"not sent, for the webhook is disabled: {webhook.disabled}", True
        now, body = self._now(), delivery.payload.encode()
        try:
            stamp = int(now.timestamp())
            headers = {
                "Content-Type": "application/json",
                "User-Agent": f"Stoker/{VERSION}",
                "webhook-id": delivery.id,
                "webhook-timestamp": str(stamp),
                "webhook-signature": signatures(delivery.id, stamp, body, webhook.signers(now)),
            }
            status = post(webhook.url, headers, body, self._addresses, self._try_s)
        except (NotDelivered, InvalidSettings) as error:
            return str(error), False
        if 200 <= status < 300:
            return "", False
        return f"it answered {status}", status == _GONE

    def _disable(self, webhook: StoredWebhook, now: datetime) -> None:
        """Send a webhook nothing any more, unless somebody has changed it since."""
        if webhook.disabled:
            return
        raw = self._connection.run(calls.record(webhook.id))
        if calls.read_record(raw) == webhook:
            disabled = webhook.model_copy(update={"disabled": _DISABLED, "disabled_at": now})
            self._connection.run(calls.put(disabled, raw, "disabled"))
            _log.warning("webhook %s, %s, is disabled: %s", webhook.id, calls.place(webhook.url), _DISABLED)


def _after(delivery: Delivery, problem: str, now: datetime, *, is_last: bool) -> Delivery:
    """A delivery after a try.

    Args:
        problem: what was wrong with it; "" if it arrived.
        is_last: whether it is given up if it has not.
    """
    tries = delivery.tries + 1
    fields = {"tries": tries, "problem": problem, "at": now}
    if not problem:
        return delivery.model_copy(update={**fields, "state": DeliveryState.DELIVERED})
    pause = None if is_last else pause_after(tries)
    if pause is None:
        return delivery.model_copy(update={**fields, "state": DeliveryState.DEAD})
    return delivery.model_copy(update={**fields, "at": now + pause})
