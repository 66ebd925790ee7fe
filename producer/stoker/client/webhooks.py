"""Webhooks: where what happens is told by HTTP."""

import asyncio
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ..errors import InvalidArgument, Unavailable
from ..kinds.problems import short
from ..ledger import clock
from ..redis.calls import Steps
from ..webhooks import calls
from ..webhooks.addresses import Addresses
from ..webhooks.signing import SigningSecret, new_secret
from ..webhooks.webhook import (
    MOST_WEBHOOKS,
    TYPES,
    Delivery,
    DeliveryState,
    NewWebhook,
    StoredWebhook,
    Webhook,
    WebhookEvent,
    WebhookStatus,
)
from . import arguments
from .calls import AsyncCalls, Calls

ALL_TYPES = ("job.*", "alarm.*", "approval.*")
KEEP_S = 24 * 3600.0
"""For how long an old secret signs beside the new one."""
_LONGEST_KEEP_S = 30 * 24 * 3600.0
_PATTERN = re.compile(r"(\*|[a-z]+(\.(\*|[a-z_]+))?)")
_MOST_PATTERNS = 20


class WebhookCalls(Calls):
    """A part of the blocking client. Where Redis has users, an operator's alone may do all of this."""

    def add_webhook(
        self,
        url: str,
        *,
        on: Iterable[str] = ALL_TYPES,
        tags: Mapping[str, str] | None = None,
        ed25519: bool = False,
    ) -> NewWebhook:
        """Have what happens from now on told to a URL, as Standard Webhooks 1.0 has it. See docs/webhooks.md.

        Args:
            url: https of a public address, or as the setting `webhook_roots` allows.
            on: patterns of the types of events: "job.failed", "job.*", "alarm.drift", "approval.wanted".
            tags: only what happens to jobs that are tagged so.
            ed25519: whether deliveries are also signed by a key whose public part the receiver has.

        Returns:
            The webhook with its secret, which nothing shows again.

        Raises:
            InvalidArgument: a webhook may not go there, or a pattern is none.
            InvalidSettings: `ed25519` needs the package cryptography.
            Unauthorized: the client's user may not write webhooks.
            Unavailable: there are as many as there may be, the name cannot be resolved, or Redis is away.
        """
        checked = _checked_url(url, self.settings.webhook_roots)
        secret = new_secret(with_ed25519=arguments.flag(ed25519, "ed25519"))
        return self._drive(_add(checked, _patterns(on), arguments.tags(tags), secret))

    def webhooks(self) -> list[WebhookStatus]:
        """All webhooks, the oldest first, and how their deliveries go."""
        return self._drive(_all())

    def remove_webhook(self, webhook: str) -> Webhook:
        """Remove a webhook, by its id, with all that waits for it.

        Raises:
            InvalidArgument: there is none.
        """
        return self._drive(_remove(_id(webhook)))

    def enable_webhook(self, webhook: str) -> Webhook:
        """Have events from now on sent again to a webhook that has been disabled. See `remove_webhook`."""
        return self._drive(_enable(_id(webhook)))

    def rotate_webhook(self, webhook: str, *, keep_s: float = KEEP_S) -> NewWebhook:
        """Give a webhook a new secret; the old one signs beside it for so many seconds more. See `add_webhook`."""
        return self._drive(_rotate(_id(webhook), _keep(keep_s)))

    def test_webhook(self, webhook: str) -> Delivery:
        """Have an event of the type "webhook.test" delivered to a webhook. See `remove_webhook`."""
        return self._drive(_test(_id(webhook)))

    def deliveries(self, webhook: str, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """The deliveries of a webhook: those that wait by their next try, then the newest dead and delivered.

        Args:
            state: only the "waiting", "dead" or "delivered" ones. A thousand delivered ones are kept for 3 days, and
                100,000 dead ones for 30.
        """
        return self._drive(_deliveries(_id(webhook), _state(state), arguments.limit(limit)))

    def replay_webhook(self, webhook: str, delivery: str | None = None) -> list[Delivery]:
        """Try deliveries again from now on, with their ids: one, or all that are dead or wait.

        Raises:
            InvalidArgument: there is no such webhook or delivery, or it is disabled.
        """
        return self._drive(_replay(_id(webhook), _delivery_id(delivery)))


class AsyncWebhookCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def add_webhook(
        self,
        url: str,
        *,
        on: Iterable[str] = ALL_TYPES,
        tags: Mapping[str, str] | None = None,
        ed25519: bool = False,
    ) -> NewWebhook:
        """See `Client.add_webhook`."""
        patterns, tagged = _patterns(on), arguments.tags(tags)
        checked = await asyncio.to_thread(_checked_url, url, self.settings.webhook_roots)
        secret = new_secret(with_ed25519=arguments.flag(ed25519, "ed25519"))
        return await self._drive(_add(checked, patterns, tagged, secret))

    async def webhooks(self) -> list[WebhookStatus]:
        """See `Client.webhooks`."""
        return await self._drive(_all())

    async def remove_webhook(self, webhook: str) -> Webhook:
        """See `Client.remove_webhook`."""
        return await self._drive(_remove(_id(webhook)))

    async def enable_webhook(self, webhook: str) -> Webhook:
        """See `Client.enable_webhook`."""
        return await self._drive(_enable(_id(webhook)))

    async def rotate_webhook(self, webhook: str, *, keep_s: float = KEEP_S) -> NewWebhook:
        """See `Client.rotate_webhook`."""
        return await self._drive(_rotate(_id(webhook), _keep(keep_s)))

    async def test_webhook(self, webhook: str) -> Delivery:
        """See `Client.test_webhook`."""
        return await self._drive(_test(_id(webhook)))

    async def deliveries(self, webhook: str, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """See `Client.deliveries`."""
        return await self._drive(_deliveries(_id(webhook), _state(state), arguments.limit(limit)))

    async def replay_webhook(self, webhook: str, delivery: str | None = None) -> list[Delivery]:
        """See `Client.replay_webhook`."""
        return await self._drive(_replay(_id(webhook), _delivery_id(delivery)))


def _checked_url(url: object, roots: tuple[str, ...]) -> str:
    """A URL that a webhook may go to, by the addresses that its name has now; they are checked again at each try."""
    text = arguments.text(url, "a webhook's URL", 2000)
    try:
        Addresses(roots).resolve(text)
    except OSError:
        raise Unavailable(f"{calls.place(text)}: the name of the host cannot be resolved; check the URL") from None
    return text


def _patterns(on: object) -> tuple[str, ...]:
    listed = tuple(on) if isinstance(on, Iterable) and not isinstance(on, str) else ()
    if not 0 < len(listed) <= _MOST_PATTERNS:
        raise InvalidArgument(f"on is 1 to {_MOST_PATTERNS} patterns such as job.failed or alarm.*, got {short(on)}")
    for each in listed:
        word = each if isinstance(each, str) else ""
        if not _PATTERN.fullmatch(word) or word.partition(".")[0] not in ("*", *TYPES):
            raise InvalidArgument(f"types are such as job.failed, alarm.* or approval.wanted, got {short(each)}")
    return listed


def _keep(seconds: object) -> timedelta:
    number = arguments.number(seconds)
    if number is None or not 0 <= number <= _LONGEST_KEEP_S:
        raise InvalidArgument(f"an old secret is kept for 0 to {_LONGEST_KEEP_S:,.0f} seconds, got {short(seconds)}")
    return timedelta(seconds=number)


def _state(state: object) -> DeliveryState | None:
    if state is None:
        return None
    if isinstance(state, str) and state in list(DeliveryState):
        return DeliveryState(state)
    raise InvalidArgument(f"a delivery is {', '.join(DeliveryState)}; got {short(state)}")


def _id(webhook: object) -> str:
    return arguments.text(webhook, "a webhook's id", 64)


def _delivery_id(delivery: object) -> str | None:
    return None if delivery is None else arguments.text(delivery, "a delivery's id", 64)


def _add(url: str, on: tuple[str, ...], tags: Mapping[str, str], secret: SigningSecret) -> Steps[NewWebhook]:
    now: datetime = yield clock.now()
    fields = {"id": f"wh_{uuid.uuid4().hex[:12]}", "url": url, "on": on, "tags": tags, "created_at": now}
    webhook = StoredWebhook(**fields, secrets=(secret,))
    if (yield calls.put(webhook, None, "added")) == "full":
        raise Unavailable(f"there are {MOST_WEBHOOKS} webhooks, as many as there may be: remove one")
    return _new(webhook)


def _all() -> Steps[list[WebhookStatus]]:
    raw: dict[str, bytes] = yield calls.stored()
    known = calls.read_records(raw.values())
    now: datetime = yield clock.now()
    statuses: list[WebhookStatus] = yield calls.states(known, now)
    return sorted(statuses, key=lambda status: (status.created_at, status.id))


def _remove(webhook_id: str) -> Steps[Webhook]:
    webhook, raw = yield from _read(webhook_id)
    _check_first((yield calls.put(webhook, raw, "removed", removes=True)), webhook_id)
    return webhook.without_secrets()


def _enable(webhook_id: str) -> Steps[Webhook]:
    webhook, raw = yield from _read(webhook_id)
    enabled = webhook.model_copy(update={"disabled": None, "disabled_at": None})
    _check_first((yield calls.put(enabled, raw, "enabled")), webhook_id)
    return enabled.without_secrets()


def _rotate(webhook_id: str, keep: timedelta) -> Steps[NewWebhook]:
    webhook, raw = yield from _read(webhook_id)
    now: datetime = yield clock.now()
    until = now + keep
    # One that was to end sooner still does.
    before = [
        each if each.until and each.until < until else each.model_copy(update={"until": until})
        for each in webhook.signers(now)
    ]
    new = new_secret(with_ed25519=bool(webhook.secrets and webhook.secrets[0].private))
    rotated = webhook.model_copy(update={"secrets": (new, *before)})
    _check_first((yield calls.put(rotated, raw, "rotated")), webhook_id)
    return _new(rotated)


def _test(webhook_id: str) -> Steps[Delivery]:
    webhook, _ = yield from _read(webhook_id)
    now: datetime = yield clock.now()
    return (yield from calls.tell(webhook, WebhookEvent(type="webhook.test", data={"webhook": webhook_id}), now))


def _deliveries(webhook_id: str, state: DeliveryState | None, limit: int) -> Steps[list[Delivery]]:
    yield from _read(webhook_id)
    return (yield from calls.deliveries(webhook_id, state, limit))


def _replay(webhook_id: str, delivery_id: str | None) -> Steps[list[Delivery]]:
    webhook, _ = yield from _read(webhook_id)
    if webhook.disabled:
        raise InvalidArgument(f"webhook {webhook_id} is disabled, {webhook.disabled}: enable it first")
    now: datetime = yield clock.now()
    if delivery_id is not None:
        listed: list[Delivery] = yield calls.delivery(webhook_id, delivery_id)
        if not listed:
            raise InvalidArgument(f"webhook {webhook_id} has no delivery {delivery_id!r}: `stoker webhooks deliveries`")
    else:
        listed = yield from calls.deliveries(webhook_id, DeliveryState.DEAD, calls.MOST_WAITING)
        listed += yield from calls.deliveries(webhook_id, DeliveryState.WAITING, calls.MOST_WAITING)
    return (yield from calls.replay(webhook, listed, now))


def _read(webhook_id: str) -> Steps[tuple[StoredWebhook, bytes]]:
    raw: bytes | None = yield calls.record(webhook_id)
    webhook = calls.read_record(raw)
    if raw is None or webhook is None:
        raise InvalidArgument(f"there is no webhook {webhook_id!r}: `stoker webhooks list` shows all")
    return webhook, raw


def _check_first(how: str, webhook_id: str) -> None:
    if how != "ok":
        raise Unavailable(f"webhook {webhook_id} was changed by somebody else at this moment: try again")


def _new(webhook: StoredWebhook) -> NewWebhook:
    newest = webhook.secrets[0]
    return NewWebhook(**dict(webhook.without_secrets()), secret=newest.secret, public=newest.public)
