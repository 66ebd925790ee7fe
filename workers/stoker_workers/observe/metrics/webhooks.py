"""Metrics of webhooks."""

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric

from stoker.ledger import clock
from stoker.redis.connection import Connection
from stoker.webhooks import calls
from stoker.webhooks.webhook import WebhookStatus

from .families import Family, Samples, counters, gauges

_FAMILIES: tuple[tuple[Family, str, str, Callable[[WebhookStatus], float]], ...] = (
    (
        gauges,
        "stoker_webhook_waiting",
        "Deliveries that are to be tried, or tried again.",
        lambda status: status.waiting,
    ),
    (
        gauges,
        "stoker_webhook_overdue_seconds",
        "For how long the delivery has been due that is due longest; 0 if none is.",
        lambda status: status.oldest_s,
    ),
    (gauges, "stoker_webhook_dead", "Deliveries that were given up, and are kept.", lambda status: status.dead),
    (
        gauges,
        "stoker_webhook_disabled",
        "Whether nothing is sent because the receiver said 410: 1 or 0.",
        lambda status: status.disabled is not None,
    ),
)


_OUTCOMES: tuple[tuple[str, Callable[[WebhookStatus], int]], ...] = (
    ("delivered", lambda status: status.delivered),
    ("failed", lambda status: status.failed),
    ("dropped", lambda status: status.dropped),
)


def webhook_families(connection: Connection) -> Iterator[Metric]:
    """The families of webhooks, by their ids: there are fifty at most."""
    raw = connection.run(calls.stored())
    known = calls.read_records(raw.values())
    statuses = connection.run(calls.states(known, connection.run(clock.now())))
    tries: Samples = {(each.id, outcome): count(each) for each in statuses for outcome, count in _OUTCOMES}
    yield counters(
        "stoker_webhook_tries",
        "Tries of deliveries that have ended, and events that were dropped because too many waited.",
        ("webhook", "outcome"),
        tries,
    )
    for family, name, documentation, value in _FAMILIES:
        yield family(name, documentation, ("webhook",), {(status.id,): value(status) for status in statuses})
