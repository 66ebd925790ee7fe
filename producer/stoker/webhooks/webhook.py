"""Webhooks, the events that they tell of, and the deliveries of these."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .signing import SigningSecret

MOST_WEBHOOKS = 50
MOST_BYTES = 20_000
"""Standard Webhooks asks for payloads below 20 kB."""
TYPES = ("job", "alarm", "approval", "webhook")
"""What the types of events begin with."""


class WebhookEvent(BaseModel):
    """Something that webhooks tell of, as the script has noted it that did it.

    Attributes:
        type: "job.succeeded", "alarm.drift", "approval.wanted", …
        data: what it is about, a few short words: never rows or results.
    """

    model_config = ConfigDict(frozen=True)

    type: str = Field(pattern=r"[a-z]+\.[a-z_.]+")
    data: dict[str, Any] = Field(default_factory=dict)

    def payload(self, at: datetime) -> str:
        """The body of its deliveries, as JSON; without tags where it would be too long with them."""

        def written(data: Mapping[str, Any]) -> str:
            told = {"type": self.type, "timestamp": _iso(at), "data": data}
            return json.dumps(told, separators=(",", ":"))

        whole = written(self.data)
        if len(whole) < MOST_BYTES:
            return whole
        short = {name: self.data[name] for name in ("id", "kind", "state", "what") if name in self.data}
        return written(short | {"is_cut": True})


class Webhook(BaseModel):
    """A URL that is told of events.

    Attributes:
        on: patterns of the types of events: "job.failed", "alarm.*".
        tags: what the job must be tagged with, for events of jobs and approvals; with any, alarms are not told.
        disabled: why nothing is sent; None while it is.
        disabled_at: since when.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    url: str
    on: tuple[str, ...]
    tags: Mapping[str, str] = Field(default_factory=dict)
    created_at: datetime
    disabled: str | None = None
    disabled_at: datetime | None = None


class StoredWebhook(Webhook):
    """The same as its record has it, with what its deliveries are signed with, the newest first."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    secrets: tuple[SigningSecret, ...]

    def wants(self, event: WebhookEvent, at: datetime) -> bool:
        """Whether it is to be told of an event that happened at a time."""
        if self.disabled or at < self.created_at or not any(fnmatchcase(event.type, each) for each in self.on):
            return False
        tags = event.data.get("tags")
        return self.tags.items() <= (tags if isinstance(tags, dict) else {}).items()

    def signers(self, now: datetime) -> list[SigningSecret]:
        """What signs at a time: the newest secret, and those before it whose time is not over."""
        return [each for each in self.secrets if each.until is None or each.until > now]

    def without_secrets(self) -> Webhook:
        """The same without secrets."""
        return Webhook(**{name: getattr(self, name) for name in Webhook.model_fields})


class WebhookStatus(Webhook):
    """A webhook, and what has come of its deliveries.

    Attributes:
        waiting: deliveries that are to be tried, or tried again.
        oldest_s: seconds since the event of the delivery that is overdue longest; 0 if none is.
        delivered: how many were.
        failed: how many tries have failed.
        dead: deliveries that were given up, and are kept for `replay`.
        dropped: events that were not told because too many waited.
        failing_since: since when every try has failed; None if the newest has not.
        problem: what was wrong with the newest try that has failed; "" if none has.
    """

    waiting: int = 0
    oldest_s: float = 0.0
    delivered: int = 0
    failed: int = 0
    dead: int = 0
    dropped: int = 0
    failing_since: datetime | None = None
    problem: str = ""


class NewWebhook(Webhook):
    """A webhook with its new secret, which is shown once.

    Attributes:
        secret: "whsec_…": the receiver verifies signatures with it.
        public: "whpk_…", the public key of Ed25519, if that was asked for; else "".
    """

    secret: str
    public: str = ""


class DeliveryState(StrEnum):
    """The state of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class Delivery(BaseModel):
    """An event that a webhook is told of.

    Attributes:
        id: the header `webhook-id`, the same at each try.
        type: of the event.
        payload: the body, JSON.
        created_at: when the event happened.
        tries: how many have ended.
        problem: what was wrong with the newest of them; "" if nothing was.
        at: when it is tried next or, once it has ended, when that was.
    """

    # A newer version's fields stay where this version writes the record again.
    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    webhook: str
    type: str
    payload: str
    created_at: datetime
    state: DeliveryState = DeliveryState.WAITING
    tries: int = 0
    problem: str = ""
    at: datetime


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
