"""Webhooks in Redis: records that operators and the controller alone read, events, and deliveries.

A script that ends a job, raises an alarm or hears an approval adds an event to a stream in the same step, where there
are webhooks at all. The controller makes each a delivery to every webhook that wants it, in a step of its own; claims
deliveries under a lease; and notes how each try ended. All times come from the caller, by the clock of Redis.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from ..ledger.keys import key
from ..ledger.readable import all_readable, counts, readable
from ..ledger.scripts import script
from ..redis.calls import Call, Steps, Word
from .webhook import MOST_WEBHOOKS, Delivery, DeliveryState, StoredWebhook, WebhookEvent, WebhookStatus

MOST_WAITING = 100_000
"""How many deliveries may wait for one webhook; an event beyond is counted and not told."""
# Of a round trip: these keep the server busy for some milliseconds.
_PAGE = 500


@dataclass(frozen=True)
class Look:
    """What there is to do.

    Attributes:
        webhooks: those that can be read.
        due: by webhook, how many of its deliveries are.
        events: by place in the stream, what is to be delivered; None for what cannot be read.
    """

    webhooks: tuple[StoredWebhook, ...]
    due: dict[str, int]
    events: dict[str, WebhookEvent | None]


@dataclass(frozen=True)
class Claimed:
    """A delivery that is this caller's until the lease is over.

    Attributes:
        webhook: as it is now; None if it cannot be read.
        lease: when that is, ms: what the end of the try names it by.
    """

    webhook: StoredWebhook | None
    delivery: Delivery
    lease: int


def stored() -> Call[dict[str, bytes]]:
    """The record of every webhook, as JSON, by id."""
    return Call(("HGETALL", key("webhooks")), lambda answer: {name.decode(): raw for name, raw in answer.items()})


def record(webhook_id: str) -> Call[bytes | None]:
    """A webhook's record, as JSON; None if there is none."""
    return Call(("HGET", key("webhooks"), webhook_id), lambda answer: answer)


def read_record(raw: bytes | None) -> StoredWebhook | None:
    """A webhook from its record; None if there is none, or none of ours."""
    return readable(StoredWebhook, raw)


def read_records(raw: Iterable[bytes]) -> list[StoredWebhook]:
    """The webhooks whose records can be read."""
    return all_readable(StoredWebhook, raw)


def put(webhook: StoredWebhook, was: bytes | None, what: str, *, removes: bool = False) -> Call[str]:
    """Add, change or remove a webhook; gives "ok", "changed" (somebody else was first), or "full".

    Args:
        was: its record as it was read; None if there was none.
        what: what is done, for the audit.
    """
    becomes = "" if removes else webhook.model_dump_json()
    words = (webhook.id, was or b"", becomes, what, place(webhook.url), MOST_WEBHOOKS)
    return Call(words, lambda answer: answer.decode(), script("webhook_put"))


def states(webhooks: Sequence[StoredWebhook], now: datetime) -> Call[list[WebhookStatus]]:
    """How the deliveries of webhooks go."""

    def decode(answer: list[tuple[int, int, int, list[bytes]]]) -> list[WebhookStatus]:
        return [_status(webhook, *each) for webhook, each in zip(webhooks, answer, strict=True)]

    return Call((_ms(now), *(each.id for each in webhooks)), decode, script("webhook_states"))


def look(now: datetime, limit: int) -> Call[Look]:
    """What a controller has to do, with at most so many events."""

    def decode(answer: tuple[list[Any], list[bytes]]) -> Look:
        fields, events = answer
        webhooks = read_records(fields[1::3])
        due = {name.decode(): count for name, count in zip(fields[::3], fields[2::3], strict=True)}
        told = zip(events[::2], events[1::2], strict=True)
        return Look(tuple(webhooks), due, {place.decode(): readable(WebhookEvent, raw) for place, raw in told})

    return Call((_ms(now), limit), decode, script("webhook_look"))


def spread(place: str, event: WebhookEvent | None, webhooks: Sequence[StoredWebhook], now: datetime) -> Call[int]:
    """Make an event of the stream a delivery to each of these webhooks that wants it; gives how many these are."""
    at = datetime.fromtimestamp(int(place.partition("-")[0]) / 1000, UTC)
    wanting = [webhook for webhook in webhooks if event and webhook.wants(event, at)]
    deliveries = [_delivery(webhook, event, place, at, now) for webhook in wanting if event]
    return _spread(place, deliveries, now)


def tell(webhook: StoredWebhook, event: WebhookEvent, now: datetime) -> Steps[Delivery]:
    """Make an event a delivery to one webhook, which no script has noted."""
    delivery = _delivery(webhook, event, uuid.uuid4().hex, now, now)
    yield _spread("", [delivery], now)
    return delivery


def claim(webhook_id: str, now: datetime, lease: timedelta) -> Call[Claimed | None]:
    """Claim the delivery that is due longest; None if none is."""
    until = _ms(now + lease)

    def decode(answer: list[bytes]) -> Claimed | None:
        if not answer:
            return None
        # One that something else has written to is claimed, and so put off, again and again; nobody else waits for it.
        delivery = readable(Delivery, answer[1])
        return Claimed(read_record(answer[0]), delivery, until) if delivery else None

    return Call((webhook_id, _ms(now), until), decode, script("webhook_claim"))


def tried(claimed: Claimed, becomes: Delivery, now: datetime) -> Call[bool]:
    """Note how a try ended; False if the delivery was somebody else's by then, or gone."""
    words = (
        *(becomes.webhook, becomes.id, claimed.lease, becomes.model_dump_json(), becomes.state),
        *(_ms(becomes.at), _ms(now), becomes.problem),
    )
    return Call(words, bool, script("webhook_tried"))


def deliveries(webhook_id: str, state: DeliveryState | None, limit: int) -> Steps[list[Delivery]]:
    """The deliveries of a webhook: those that wait by their next try, the next one first, then the newest others."""
    sets = {
        DeliveryState.WAITING: ("ZRANGE", "webhook_due"),
        DeliveryState.DEAD: ("ZREVRANGE", "webhook_dead"),
        DeliveryState.DELIVERED: ("ZREVRANGE", "webhook_delivered"),
    }
    ids: list[bytes] = []
    for each, (command, name) in sets.items():
        if state in (None, each) and len(ids) < limit:
            ids += yield Call((command, key(name, webhook_id), 0, limit - len(ids) - 1), list)
    listed: list[Delivery] = []
    for first in range(0, len(ids), _PAGE):
        words: tuple[Word, ...] = ("HMGET", key("webhook_deliveries", webhook_id), *ids[first : first + _PAGE])
        listed += yield Call(words, lambda answer: all_readable(Delivery, filter(None, answer)))
    return listed


def delivery(webhook_id: str, delivery_id: str) -> Call[list[Delivery]]:
    """A delivery, by its id, in a list; an empty one if there is none."""
    words = ("HMGET", key("webhook_deliveries", webhook_id), delivery_id)
    return Call(words, lambda answer: all_readable(Delivery, filter(None, answer)))


def replay(webhook: StoredWebhook, listed: Sequence[Delivery], now: datetime) -> Steps[list[Delivery]]:
    """Try deliveries now, and as often again as at first; gives them as they are then.

    One that waited or was given up, and has arrived meanwhile, is left alone.
    """
    again = [
        each.model_copy(update={"state": DeliveryState.WAITING, "tries": 0, "problem": "", "at": now})
        for each in listed
    ]
    for first in range(0, len(again), _PAGE):
        words: list[Word] = [webhook.id, place(webhook.url), _ms(now)]
        for was, becomes in zip(listed[first : first + _PAGE], again[first : first + _PAGE], strict=True):
            words += (becomes.id, was.state, becomes.model_dump_json())
        yield Call(tuple(words), int, script("webhook_replay"))
    return again


def place(url: str) -> str:
    """A webhook's URL without what is often a password of the receiver's: its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"


def _spread(place: str, listed: Sequence[Delivery], now: datetime) -> Call[int]:
    words: list[Word] = [place, _ms(now), MOST_WAITING]
    for delivery in listed:
        words += (delivery.webhook, delivery.id, delivery.model_dump_json())
    return Call(tuple(words), int, script("webhook_spread"))


def _delivery(webhook: StoredWebhook, event: WebhookEvent, told: str, at: datetime, now: datetime) -> Delivery:
    """A delivery whose id is the same, whichever controller makes it, and however often."""
    message = uuid.uuid5(uuid.NAMESPACE_OID, f"{webhook.id} {told}").hex
    return Delivery(
        id=f"msg_{message}", webhook=webhook.id, type=event.type, payload=event.payload(at), created_at=at, at=now
    )


def _status(webhook: StoredWebhook, waiting: int, oldest_ms: int, dead: int, fields: list[bytes]) -> WebhookStatus:
    told = dict(zip(fields[::2], fields[1::2], strict=True))
    numbers = counts(told)
    since = numbers.get("failing_since")
    return WebhookStatus(
        **dict(webhook.without_secrets()),
        waiting=waiting,
        oldest_s=oldest_ms / 1000,
        dead=dead,
        delivered=numbers.get("delivered", 0),
        failed=numbers.get("failed", 0),
        dropped=numbers.get("dropped", 0),
        failing_since=datetime.fromtimestamp(since / 1000, UTC) if since else None,
        problem=told.get(b"problem", b"").decode(errors="replace"),
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
