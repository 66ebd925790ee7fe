"""Webhooks without a server: signatures as the standard makes them, its schedule, its payloads."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier

from stoker.errors import InvalidArgument
from stoker.webhooks.addresses import Addresses
from stoker.webhooks.schedule import MOST_TRIES, PAUSES_S, pause_after
from stoker.webhooks.signing import SigningSecret, new_secret, signatures
from stoker.webhooks.webhook import MOST_BYTES, StoredWebhook, WebhookEvent

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


def webhook(*secrets: SigningSecret, **fields: object) -> StoredWebhook:
    known: dict[str, object] = {"id": "wh_1", "url": "https://example.org/", "on": ("job.*",), "created_at": NOW}
    return StoredWebhook(**known | fields, secrets=secrets)


def test_the_standards_own_package_verifies_what_is_signed() -> None:
    # Its package refuses what is older than five minutes.
    stamp = int(datetime.now(UTC).timestamp())
    old, new = new_secret(with_ed25519=False), new_secret(with_ed25519=True)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(stamp)}
    headers["webhook-signature"] = signatures("msg_1", stamp, b'{"a":1}', [new, old])
    for secret in (old, new):
        assert Verifier(secret.secret).verify(b'{"a":1}', headers) == {"a": 1}
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(new.secret).verify(b'{"a":2}', headers)
    assert [word[:3] for word in headers["webhook-signature"].split(" ")] == ["v1,", "v1a", "v1,"]
    public = Ed25519PublicKey.from_public_bytes(b64decode(new.public.removeprefix("whpk_")))
    signature = headers["webhook-signature"].split(" ")[1].removeprefix("v1a,")
    public.verify(b64decode(signature), f"msg_1.{stamp}.".encode() + b'{"a":1}')
    assert old.public == ""


def test_the_example_of_the_standard_is_signed_so() -> None:
    # The vector in the tests of its libraries.
    secret = SigningSecret(secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signatures("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}', [secret])
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_shown_in_no_message() -> None:
    secret = new_secret(with_ed25519=True)
    for text in (repr(secret), str(secret), repr(webhook(secret)), f"{[secret]}"):
        assert secret.secret not in text
        assert secret.private not in text
    with pytest.raises(ValidationError) as refused:
        SigningSecret(secret="whsec_hunter2")
    assert "hunter2" not in str(refused.value)


def test_there_are_ten_tries_in_75_hours() -> None:
    assert MOST_TRIES == 10
    assert timedelta(hours=75) < timedelta(seconds=sum(PAUSES_S)) < timedelta(hours=76)
    assert [pause_after(tries, 0) for tries in (1, 2, 9)] == [timedelta(seconds=s) for s in (5, 300, 86_400)]
    assert pause_after(1, 1) == timedelta(seconds=5.5)
    assert pause_after(10) is None
    drawn = {pause_after(3) for _ in range(50)}
    assert len(drawn) > 1


def test_a_webhook_is_told_what_it_wants_from_then_on() -> None:
    event = WebhookEvent(type="job.failed", data={"id": "a", "tags": {"team": "shop", "tenant": "north"}})
    assert webhook().wants(event, NOW)
    assert webhook(tags={"team": "shop"}).wants(event, NOW)
    assert not webhook().wants(event, NOW - timedelta(seconds=1))
    assert not webhook(on=("alarm.*", "job.dead")).wants(event, NOW)
    assert not webhook(tags={"team": "other"}).wants(event, NOW)
    assert not webhook(disabled="gone").wants(event, NOW)
    assert not webhook(tags={"team": "shop"}).wants(WebhookEvent(type="job.failed", data={"tags": []}), NOW)


def test_a_payload_stays_below_what_the_standard_asks_for() -> None:
    event = WebhookEvent(type="job.failed", data={"id": "a", "kind": "train", "tags": {"x": "é" * MOST_BYTES}})
    assert event.payload(NOW) == (
        '{"type":"job.failed","timestamp":"2026-11-28T09:00:00.000Z","data":{"id":"a","kind":"train","is_cut":true}}'
    )


@pytest.mark.parametrize("url", ["example.org/hooks", "https:///hooks", "//", "mailto:a@example.org"])
def test_a_url_without_a_host_is_told_so(url: str) -> None:
    with pytest.raises(InvalidArgument, match="names no host; expected a URL such as https://host/path"):
        Addresses().check(url)


def test_what_a_root_allows_is_what_begins_with_it() -> None:
    addresses = Addresses(("http://127.0.0.1:8000/hooks/",))
    assert addresses.resolve("http://127.0.0.1:8000/hooks/a")[0].place == ("127.0.0.1", 8000)
    for url in (
        "http://127.0.0.1:8000/other",
        "http://127.0.0.1:8001/hooks/a",
        "http://127.0.0.1:8000/hooksier",
        "https://127.0.0.1:8000/hooks/a",
        "http://127.0.0.1:8000@example.org/hooks/",
    ):
        with pytest.raises(InvalidArgument):
            addresses.resolve(url)
