"""Webhooks: for operators whose keys are for all tenants, because a webhook is told of all of them."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from ...client.webhooks import ALL_TYPES, KEEP_S
from ...webhooks.webhook import Delivery, NewWebhook, Webhook, WebhookStatus
from ..auth.keys import ApiKey
from ..auth.scopes import ALL
from ..jobs.documents import Strict
from ..problems import Problem
from ..routes import Caller, Client, document, needs, router

ROUTES = router("webhooks")
_MOST_LISTED = 1000


class Wanted(Strict):
    """Where to tell what.

    Attributes:
        url: https of a public address, or as the gateway's setting webhook_roots allows.
        on: patterns of the types of events.
        tags: only what happens to jobs that are tagged so.
        ed25519: whether deliveries are also signed by a key of Ed25519.
    """

    url: str
    on: list[str] = Field(default_factory=lambda: list(ALL_TYPES))
    tags: dict[str, str] = Field(default_factory=dict)
    ed25519: bool = False


class Rotation(Strict):
    """For how many seconds the old secret signs beside the new one."""

    keep_s: float = KEEP_S


class Replayed(Strict):
    """What to try again: a delivery, or all that are dead or wait."""

    delivery: str | None = None


class Webhooks(BaseModel):
    """All webhooks, the oldest first."""

    webhooks: list[WebhookStatus]


class Deliveries(BaseModel):
    """Deliveries of a webhook."""

    deliveries: list[Delivery]


@ROUTES.post(
    "/webhooks", operation_id="addWebhook", status_code=201, response_model=NewWebhook, openapi_extra=needs("operate")
)
async def add(client: Client, key: Caller, wanted: Wanted) -> Response:
    """Have what happens told to a URL; the answer has the secret, which nothing shows again."""
    _require_all(key)
    added = await client.add_webhook(wanted.url, on=wanted.on, tags=wanted.tags, ed25519=wanted.ed25519)
    return document(added, 201)


@ROUTES.get("/webhooks", operation_id="listWebhooks", response_model=Webhooks, openapi_extra=needs("operate"))
async def list_webhooks(client: Client, key: Caller) -> Response:
    """List all webhooks, and how their deliveries go."""
    _require_all(key)
    return document(Webhooks(webhooks=await client.webhooks()))


@ROUTES.delete(
    "/webhooks/{webhook}", operation_id="removeWebhook", response_model=Webhook, openapi_extra=needs("operate")
)
async def remove(client: Client, key: Caller, webhook: str) -> Response:
    """Remove a webhook, with all that waits for it."""
    _require_all(key)
    return document(await client.remove_webhook(webhook))


@ROUTES.post(
    "/webhooks/{webhook}/enable", operation_id="enableWebhook", response_model=Webhook, openapi_extra=needs("operate")
)
async def enable(client: Client, key: Caller, webhook: str) -> Response:
    """Send events again to a webhook that was disabled."""
    _require_all(key)
    return document(await client.enable_webhook(webhook))


@ROUTES.post(
    "/webhooks/{webhook}/rotate",
    operation_id="rotateWebhook",
    response_model=NewWebhook,
    openapi_extra=needs("operate"),
)
async def rotate(client: Client, key: Caller, webhook: str, how: Rotation) -> Response:
    """Give a webhook a new secret; the old one signs beside it for a while."""
    _require_all(key)
    return document(await client.rotate_webhook(webhook, keep_s=how.keep_s))


@ROUTES.post(
    "/webhooks/{webhook}/test",
    operation_id="testWebhook",
    status_code=202,
    response_model=Delivery,
    openapi_extra=needs("operate"),
)
async def send_test(client: Client, key: Caller, webhook: str) -> Response:
    """Have an event of the type webhook.test delivered."""
    _require_all(key)
    return document(await client.test_webhook(webhook), 202)


@ROUTES.get(
    "/webhooks/{webhook}/deliveries",
    operation_id="listDeliveries",
    response_model=Deliveries,
    openapi_extra=needs("operate"),
)
async def list_deliveries(
    client: Client,
    key: Caller,
    webhook: str,
    state: Literal["waiting", "delivered", "dead"] | None = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_LISTED)] = 100,
) -> Response:
    """List what is told to a webhook: what waits, what was given up, what has arrived."""
    _require_all(key)
    return document(Deliveries(deliveries=await client.deliveries(webhook, state, limit)))


@ROUTES.post(
    "/webhooks/{webhook}/replay",
    operation_id="replayWebhook",
    status_code=202,
    response_model=Deliveries,
    openapi_extra=needs("operate"),
)
async def replay(client: Client, key: Caller, webhook: str, what: Replayed) -> Response:
    """Try deliveries again from now on, with the ids that they have; the answer has the first thousand."""
    _require_all(key)
    replayed = await client.replay_webhook(webhook, what.delivery)
    return document(Deliveries(deliveries=replayed[:_MOST_LISTED]), 202)


def _require_all(key: ApiKey) -> None:
    """Check that a key is for all tenants and models.

    Raises:
        Problem: 403, it is not.
    """
    if key.tenants != ALL or key.models != ALL:
        why = f"key {key.id} ({key.name}) is for some tenants or models alone, and webhooks are told of all"
        raise Problem(403, "Forbidden", why)
