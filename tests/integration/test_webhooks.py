"""Webhooks on a real server: each delivery arrives once its receiver is up, with one id, and slows nothing else."""

import asyncio
import json
import os
import re
import shlex
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import trustme

import stoker
from stoker.access.loading import load_missing
from stoker.access.users import acl_file
from stoker.cli.doctor import webhooks as doctor
from stoker.cli.doctor.check import Finding, System
from stoker.ledger import alarms
from stoker.local.server import local_server
from stoker.local.subprocesses import Subprocess
from stoker.redis.calls import drive
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker.webhooks import calls
from stoker.webhooks.addresses import Addresses
from stoker.webhooks.calls import MOST_WAITING
from stoker.webhooks.schedule import MOST_TRIES
from stoker.webhooks.webhook import DeliveryState
from stoker_workers.controller.webhooks.duty import AT_ONCE, LEASE, Webhooks
from stoker_workers.observe.metrics import LedgerCollector

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from .conftest import BRIEF, free_port
from .gateways import keys_of_all_roles, running_gateway
from .receivers import OK, Received, Receiver, running_receiver
from .test_examples import DOCS
from .test_model_keeping import register

ROOT = "http://127.0.0.1/"
TRY_S = 1.0


@dataclass
class Deliverer:
    """A controller's part, by a clock that the test moves."""

    connection: Connection
    eventually: Eventually
    now: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=30))
    try_s: float = PATIENCE_S
    roots: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.webhooks = Webhooks(self.connection, Addresses(self.roots), lambda: self.now, self.try_s)

    def deliver(self, *, after: timedelta = timedelta()) -> None:
        """Have tried whatever is due, when so much time has passed."""
        self.now += after
        self.webhooks.step()
        self.eventually(lambda: not self.webhooks.is_busy)
        while self.is_due():
            self.webhooks.step()
            self.eventually(lambda: not self.webhooks.is_busy)

    def is_due(self) -> bool:
        client = self.connection.client
        ms = round(self.now.timestamp() * 1000)
        return any(client.zcount(name, "-inf", ms) for name in client.scan_iter("stoker:webhook-due:*"))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


def roots_of(*receivers: Receiver) -> tuple[str, ...]:
    return tuple(f"http://127.0.0.1:{receiver.port}/" for receiver in receivers)


def client_of(redis_url: str, *receivers: Receiver) -> stoker.Client:
    return stoker.Client(settings=Settings(redis_url=redis_url, webhook_roots=roots_of(*receivers)))


def end_jobs(client: stoker.Client, count: int, **fields: Any) -> list[str]:
    """End so many jobs; gives their ids."""
    jobs = [client.submit(BRIEF.model_copy(update=fields)) for _ in range(count)]
    for job in jobs:
        job.cancel()
        assert job.state is stoker.JobState.CANCELLED
    return [job.id for job in jobs]


def told_of(receiver: Receiver) -> list[str]:
    """The ids of the jobs that a receiver was told of, in order."""
    return sorted(json.loads(each.body)["data"]["id"] for each in receiver.received)


def test_what_happens_is_told_signed_and_thin(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    with client_of(redis_url, receiver) as client:
        end_jobs(client, 1)  # before there was a webhook
        added = client.add_webhook(receiver.url, ed25519=True)
        shop = client.add_webhook(receiver.url, on=["job.*"], tags={"team": "shop"})
        [cancelled] = end_jobs(client, 1, tags={"team": "shop", "tenant": "north"})
        made = register(connection, 1)
        connection.run(alarms.raise_("drift", "age has moved", model="digits@1", job="a", figures={"distance": 0.5}))
        deliverer.deliver()

        told = [json.loads(each.body) for each in receiver.received if each.is_signed_by(added.secret)]
        by_type = {each["type"]: each["data"] for each in told}
        assert set(by_type) == {"job.cancelled", "job.succeeded", "alarm.registered", "alarm.drift"}
        assert by_type["job.cancelled"] == {
            "id": cancelled, "kind": "describe", "state": "CANCELLED", "tenant": "north",
            "tags": {"team": "shop", "tenant": "north"},
        }  # fmt: skip
        assert by_type["job.succeeded"]["id"] == made.job
        assert by_type["alarm.drift"] == {"what": "drift", "model": "digits@1", "job": "a", "text": "age has moved"}
        assert all(datetime.fromisoformat(each["timestamp"]) <= deliverer.now for each in told)
        assert all(
            "v1a," in each.headers["webhook-signature"] for each in receiver.received if each.is_signed_by(added.secret)
        )
        of_shop = [json.loads(each.body) for each in receiver.received if each.is_signed_by(shop.secret)]
        assert [each["data"]["id"] for each in of_shop] == [cancelled]
        assert len(set(receiver.ids)) == len(receiver.ids) == 5

        status, other = client.webhooks()
        assert (status.delivered, status.waiting, status.dead, status.failing_since) == (4, 0, 0, None)
        assert other.delivered == 1
        assert added.secret not in json.dumps([each.model_dump(mode="json") for each in client.webhooks()])
        client.remove_webhook(added.id)
        client.remove_webhook(shop.id)
    assert not list(connection.client.scan_iter("stoker*hook*"))


def test_a_receiver_that_is_down_for_ten_minutes_gets_everything_once_it_is_up(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    port = free_port()
    down = Receiver(port)
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver, down))
    with client_of(redis_url, receiver, down) as client:
        client.add_webhook(receiver.url, on=["job.*"])
        webhook = client.add_webhook(down.url, on=["job.*"])
        ended = sorted(end_jobs(client, 9))
        for after in (0, 6, 330):
            deliverer.deliver(after=timedelta(seconds=after))
        assert told_of(receiver) == ended
        waiting = client.deliveries(webhook.id)
        assert [(each.state, each.tries) for each in waiting] == [("waiting", 3)] * 9
        assert "takes no connection" in waiting[0].problem
        status = client.webhooks()[1]
        assert (status.waiting, status.failed, status.failing_since is not None) == (9, 27, True)

        deliverer.now += timedelta(minutes=10)
        with running_receiver(port) as up:
            deliverer.deliver(after=timedelta(minutes=30))
            assert told_of(up) == ended
            assert sorted(up.ids) == sorted(each.id for each in waiting)
            deliverer.deliver(after=timedelta(days=4))
            assert len(up.received) == 9
        assert client.webhooks()[1].failing_since is None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 500 Oh no\r\n\r\nthe secret is out", "it answered 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "it answered 302"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "it answered 404"),
        (b"\x00\xff\n\n", "it does not answer as a web server does"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "it does not answer as a web server does"),
        (b"HTTP/1.1 200", "its host broke off before it had answered"),
        (b"", "its host broke off before it had answered"),
        (b"x" * 100_000, "the head of its answer does not end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "answers announce another"),
    ],
    ids=["500", "redirect", "404", "garbage", "words", "half", "nothing", "no end", "announced"],
)
def test_nonsense_is_tried_again_with_the_same_id(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually, answer: bytes, problem: str
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    with client_of(redis_url, receiver) as client:
        webhook = client.add_webhook(receiver.url)
        ended = end_jobs(client, 1)
        receiver.answer = lambda _: answer
        deliverer.deliver()
        [waiting] = client.deliveries(webhook.id)
        assert problem in waiting.problem
        assert "secret" not in waiting.problem
        receiver.answer = lambda _: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK
        deliverer.deliver(after=timedelta(seconds=6))
        [delivered] = client.deliveries(webhook.id)
        assert (delivered.state, delivered.tries, delivered.problem) == ("delivered", 2, "")
        assert told_of(receiver) == ended * 2
        assert set(receiver.ids) == {waiting.id}
        first, second = (int(each.headers["webhook-timestamp"]) for each in receiver.received)
        assert second == first + 6


def test_an_answer_without_end_counts_by_its_status_and_one_that_does_not_come_is_waited_for_so_long(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver), try_s=TRY_S)

    def endless(_request: Received) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
        while True:
            yield b"x" * 100_000

    ended = threading.Event()

    def silent(_request: Received) -> Iterator[bytes]:
        yield b"HTTP/1.1 2"
        ended.wait(PATIENCE_S)

    with client_of(redis_url, receiver) as client:
        webhook = client.add_webhook(receiver.url)
        receiver.answer = endless
        end_jobs(client, 1)
        deliverer.deliver()
        assert client.deliveries(webhook.id, "delivered")
        receiver.answer = silent
        end_jobs(client, 1)
        deliverer.deliver()
        ended.set()
        [waiting] = client.deliveries(webhook.id, "waiting")
        assert waiting.problem == "no answer within 1 s"


def test_a_receiver_that_hangs_takes_nothing_from_others(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    goes_on = threading.Event()

    def hanging(_request: Received) -> bytes:
        goes_on.wait(PATIENCE_S)
        return OK

    with running_receiver() as slow, client_of(redis_url, receiver, slow) as client:
        slow.answer = hanging
        deliverer = Deliverer(connection, eventually, roots=roots_of(receiver, slow))
        client.add_webhook(slow.url)
        client.add_webhook(receiver.url)
        ended: list[str] = []

        def has(count: int) -> bool:
            return len(receiver.received) == count

        for _ in range(5):
            ended += end_jobs(client, 10)
            deliverer.webhooks.step()
            eventually(partial(has, len(ended)))
        assert told_of(receiver) == sorted(ended)
        # The last answers may not be noted yet.
        eventually(lambda: [each.waiting for each in client.webhooks()] == [50, 0])
        assert len(slow.received) == AT_ONCE
        goes_on.set()
        deliverer.deliver()
        assert told_of(slow) == sorted(ended)
        assert len(set(slow.ids)) == 50


def test_a_receiver_that_is_gone_is_sent_nothing_until_it_is_enabled(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    with client_of(redis_url, receiver) as client:
        webhook = client.add_webhook(receiver.url)
        receiver.answer = lambda _: b"HTTP/1.1 410 Gone\r\n\r\n"
        end_jobs(client, 1)
        deliverer.deliver()
        end_jobs(client, 1)
        deliverer.deliver()
        assert len(receiver.received) == 1
        [status] = client.webhooks()
        assert (status.disabled, status.dead) == ("it answered 410: the receiver is gone", 1)
        with pytest.raises(stoker.InvalidArgument, match="enable it first"):
            client.replay_webhook(webhook.id)

        receiver.answer = lambda _: OK
        assert client.enable_webhook(webhook.id).disabled is None
        assert len(client.replay_webhook(webhook.id)) == 1
        deliverer.deliver()
        assert len(receiver.received) == 2
        assert len(set(receiver.ids)) == 1


def test_what_is_given_up_is_kept_and_replayed(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    with client_of(redis_url, receiver) as client:
        webhook = client.add_webhook(receiver.url)
        receiver.answer = lambda _: b"HTTP/1.1 503 Later\r\n\r\n"
        ended = end_jobs(client, 2)
        for _ in range(MOST_TRIES + 3):
            deliverer.deliver(after=timedelta(hours=27))
        dead = client.deliveries(webhook.id, "dead")
        assert [each.tries for each in dead] == [MOST_TRIES] * 2
        assert len(receiver.received) == 2 * MOST_TRIES
        receiver.answer = lambda _: OK
        with pytest.raises(stoker.InvalidArgument, match="has no delivery"):
            client.replay_webhook(webhook.id, "msg_0")
        assert [each.id for each in client.replay_webhook(webhook.id, dead[0].id)] == [dead[0].id]
        deliverer.deliver()
        assert receiver.ids[-1] == dead[0].id
        assert [each.id for each in client.replay_webhook(webhook.id)] == [dead[1].id]
        deliverer.deliver()
        assert told_of(receiver) == sorted(ended * (MOST_TRIES + 1))
        deliverer.deliver(after=timedelta(days=31))
        assert client.deliveries(webhook.id) == []
        assert not connection.client.exists(f"stoker:webhook-deliveries:{webhook.id}")


def test_what_arrives_while_all_is_replayed_is_not_sent_again(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    with client_of(redis_url, receiver) as client:
        webhook = client.add_webhook(receiver.url)
        receiver.answer = lambda _: b"HTTP/1.1 500 No\r\n\r\n"
        end_jobs(client, 1)
        deliverer.deliver()
        read = client.deliveries(webhook.id)
        assert [each.state for each in read] == [DeliveryState.WAITING]
        receiver.answer = lambda _: OK
        deliverer.deliver(after=timedelta(minutes=5))
        arrived = len(receiver.received)
        stored = calls.read_record(connection.run(calls.record(webhook.id)))
        assert stored is not None
        for read_then, sent in ((read, 0), (client.deliveries(webhook.id), 1)):
            drive(calls.replay(stored, read_then, deliverer.now), connection.run)
            deliverer.deliver()
            assert len(receiver.received) == arrived + sent


def test_both_secrets_sign_while_one_is_rotated(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    with client_of(redis_url, receiver) as client:
        old = client.add_webhook(receiver.url, on=["webhook.*"])
        new = client.rotate_webhook(old.id, keep_s=3600)
        client.test_webhook(old.id)
        deliverer.deliver()
        client.test_webhook(old.id)
        deliverer.deliver(after=timedelta(hours=2))
        during, after = receiver.received
        assert json.loads(during.body)["type"] == "webhook.test"
        assert [during.is_signed_by(each.secret) for each in (old, new)] == [True, True]
        assert [after.is_signed_by(each.secret) for each in (old, new)] == [False, True]


def test_a_controller_that_is_killed_in_the_middle_leaves_it_to_the_next(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually, tmp_path: Path
) -> None:
    goes_on = threading.Event()

    def hanging(_request: Received) -> bytes:
        goes_on.wait(PATIENCE_S)
        return OK

    receiver.answer = hanging
    settings = Settings(redis_url=redis_url, home=tmp_path, webhook_roots=roots_of(receiver))
    # One that is this process' own child, and so is dead once it is killed.
    command = [sys.executable, "-m", "stoker_workers.controller"]
    with client_of(redis_url, receiver) as client, ExitStack() as running:
        environment = os.environ | settings.environment()
        child = Subprocess(command, log=tmp_path / "controller.log", environment=environment)
        running.callback(child.stop, PATIENCE_S)
        added = client.add_webhook(receiver.url)
        ended = end_jobs(client, 1)
        eventually(lambda: receiver.received)
        deliverer = Deliverer(connection, eventually, now=datetime.now(UTC), roots=roots_of(receiver))
        child.kill()
        child.wait(PATIENCE_S)
        goes_on.set()
        deliverer.deliver()
        assert len(receiver.received) == 1
        deliverer.deliver(after=LEASE)
        assert told_of(receiver) == ended * 2, client.deliveries(added.id)
        assert len(set(receiver.ids)) == 1
        assert added.secret not in (tmp_path / "controller.log").read_text()
        assert [each.delivered for each in client.webhooks()] == [1]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://2130706433/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://user:hunter2@example.org/",
        "https://",
        "https://a b/",
        "https://127.0.0.1:1/\r\nX: y",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "x" * 3000,
    ],
)
def test_webhooks_go_to_public_addresses_alone(redis_url: str, url: str) -> None:
    with stoker.Client(redis_url) as client:
        with pytest.raises(stoker.InvalidArgument) as refused:
            client.add_webhook(url)
        assert "hunter2" not in refused.value.message
        assert client.webhooks() == []


def test_an_address_that_changes_is_not_connected_to(
    redis_url: str,
    connection: Connection,
    receiver: Receiver,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    public, this_machine, of_system = "93.184.216.34", "127.0.0.1", socket.getaddrinfo
    places = iter([public])

    def resolve(host: str, port: int, *words: Any, **names: Any) -> list[Any]:
        # A public one where it is added, and this machine's ever after.
        return list(of_system(next(places, this_machine) if host.endswith(".org") else host, port, *words, **names))

    deliverer = Deliverer(connection, eventually)
    with stoker.Client(redis_url) as client:
        with monkeypatch.context() as patch:
            patch.setattr("stoker.webhooks.addresses.socket.getaddrinfo", resolve)
            webhook = client.add_webhook(f"https://rebinding.example.org:{receiver.port}/")
            end_jobs(client, 1)
            deliverer.deliver()
        [waiting] = client.deliveries(webhook.id)
        assert "a webhook may not go to https://rebinding.example.org" in waiting.problem
        assert receiver.received == []


def test_a_receiver_has_to_prove_its_name(
    redis_url: str, connection: Connection, eventually: Eventually, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with running_receiver(tls=context) as receiver:
        roots = tuple(f"https://{host}:{receiver.port}/" for host in ("localhost", "127.0.0.1"))
        deliverer = Deliverer(connection, eventually, roots=roots)
        with stoker.Client(settings=Settings(redis_url=redis_url, webhook_roots=roots)) as client:
            named, other = (client.add_webhook(f"{root}hooks") for root in roots)
            end_jobs(client, 1)
            deliverer.deliver()
            assert "its certificate is not trusted" in client.deliveries(named.id)[0].problem
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            deliverer.deliver(after=timedelta(seconds=6))
            assert client.deliveries(named.id)[0].state == "delivered"
            assert "its certificate is not trusted" in client.deliveries(other.id)[0].problem
            assert len(receiver.received) == 1


def test_arguments_are_checked_and_there_are_only_so_many(redis_url: str, receiver: Receiver) -> None:
    with client_of(redis_url, receiver) as client:
        wrong: list[Callable[[], object]] = [
            lambda: client.add_webhook(receiver.url, on="job.*"),
            lambda: client.add_webhook(receiver.url, on=[]),
            lambda: client.add_webhook(receiver.url, tags={"team": "\ud800"}),
            lambda: client.add_webhook(receiver.url, tags={"\ud800": "a"}),
            lambda: client.add_webhook(receiver.url, tags=["a"]),  # type: ignore[arg-type]
            lambda: client.add_webhook(receiver.url, on=["jobs.*"]),
            lambda: client.add_webhook(receiver.url, on=["job.**"]),
            lambda: client.add_webhook(receiver.url, on=[5]),  # type: ignore[list-item]
            lambda: client.remove_webhook("wh_0"),
            lambda: client.enable_webhook("wh_0"),
            lambda: client.rotate_webhook("wh_0", keep_s=-1),
            lambda: client.test_webhook("wh_0"),
            lambda: client.deliveries("wh_0"),
            lambda: client.replay_webhook("wh_0"),
        ]
        for call in wrong:
            with pytest.raises(stoker.InvalidArgument):
                call()
        webhook = client.add_webhook(receiver.url)
        with pytest.raises(stoker.InvalidArgument, match="waiting, delivered, dead"):
            client.deliveries(webhook.id, "gone")
        for _ in range(49):
            client.add_webhook(receiver.url)
        with pytest.raises(stoker.Unavailable, match="50 webhooks"):
            client.add_webhook(receiver.url)


def test_what_something_else_has_written_hides_nothing(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually, server: redis.Redis
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    with client_of(redis_url, receiver) as client:
        webhook = client.add_webhook(receiver.url)
        server.hset("stoker-webhooks", "wh_junk", "junk")
        server.delete("stoker:hooked")
        deliverer.deliver()
        assert server.exists("stoker:hooked")
        for junk in ("junk", json.dumps({"type": "../x", "data": {}}), json.dumps({"type": "job.failed", "new": 1})):
            server.xadd("stoker:webhook-events", {"event": junk})
        server.zadd(f"stoker:webhook-due:{webhook.id}", {"msg_lost": 1})
        ended = end_jobs(client, 1)
        deliverer.deliver()
        assert {json.loads(each.body)["data"].get("id") for each in receiver.received} == {None, *ended}
        # Of another type than belongs there.
        for name in ("due", "deliveries", "counts"):
            server.delete(f"stoker:webhook-{name}:{webhook.id}")
            server.set(f"stoker:webhook-{name}:{webhook.id}", "junk")
        ended = end_jobs(client, 1)
        deliverer.deliver()
        assert json.loads(receiver.received[-1].body)["data"]["id"] == ended[0]
        assert [each.id for each in client.webhooks()] == [webhook.id]
        # A newer version's fields stay.
        raw = json.loads(str(server.hget("stoker-webhooks", webhook.id)))
        server.hset("stoker-webhooks", webhook.id, json.dumps(raw | {"newer": [1]}))
        client.rotate_webhook(webhook.id)
        assert json.loads(str(server.hget("stoker-webhooks", webhook.id)))["newer"] == [1]


def test_more_than_may_wait_is_counted(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually, server: redis.Redis
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    with client_of(redis_url, receiver) as client:
        webhook = client.add_webhook(receiver.url)
        far = {f"msg_{number}": 10**14 for number in range(MOST_WAITING)}
        server.zadd(f"stoker:webhook-due:{webhook.id}", far)
        end_jobs(client, 1)
        deliverer.deliver()
        assert [(each.dropped, each.waiting) for each in client.webhooks()] == [(1, MOST_WAITING)]


def test_asyncio_and_the_command_line_do_the_same(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually
) -> None:
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    settings = Settings(redis_url=redis_url, webhook_roots=roots_of(receiver))

    async def by_asyncio() -> stoker.NewWebhook:
        async with stoker.AsyncClient(settings=settings) as client:
            added = await client.add_webhook(receiver.url, on=["webhook.*"])
            sent = await client.test_webhook(added.id)
            assert [each.id for each in await client.deliveries(added.id)] == [sent.id]
            assert [each.id for each in await client.replay_webhook(added.id, sent.id)] == [sent.id]
            rotated = await client.rotate_webhook(added.id)
            assert (await client.enable_webhook(added.id)).id == added.id
            assert [each.id for each in await client.webhooks()] == [added.id]
            await client.remove_webhook(added.id)
            return rotated

    assert asyncio.run(by_asyncio()).secret.startswith("whsec_")

    env = {"STOKER_REDIS_URL": redis_url, "STOKER_WEBHOOK_ROOTS": ",".join(roots_of(receiver))}

    def stoker_webhooks(*words: str) -> str:
        ran = commands.run("webhooks", *words, env=env)
        assert ran.returncode == 0, ran.stderr
        return str(ran.stdout)

    assert "no webhooks" in stoker_webhooks("list")
    added = json.loads(
        stoker_webhooks("add", receiver.url, "--on", "job.failed, webhook.test", "--tag", "a=b", "--json")
    )
    assert (added["on"], added["tags"]) == (["job.failed", "webhook.test"], {"a": "b"})
    assert "whsec_" in stoker_webhooks("rotate", added["id"], "--keep", "1h")
    stoker_webhooks("test", added["id"])
    deliverer.deliver()
    assert len(receiver.received) == 1
    assert "delivered" in stoker_webhooks("deliveries", added["id"])
    assert "1 deliveries" in stoker_webhooks("replay", added["id"], receiver.ids[0])
    listed = stoker_webhooks("list")
    assert added["id"] in listed
    assert "whsec_" not in listed + stoker_webhooks("list", "--json")
    stoker_webhooks("enable", added["id"])
    stoker_webhooks("remove", added["id"])


def test_the_guides_receiver_verifies_what_it_is_told_and_counts_it_once(
    redis_url: str, connection: Connection, eventually: Eventually
) -> None:
    guide = (DOCS / "webhooks.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program.replace("8090", "0"), "webhooks", "exec"), names)
    server = names["server"]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        root = f"http://127.0.0.1:{server.server_port}/"
        deliverer = Deliverer(connection, eventually, now=datetime.now(UTC), roots=(root,))
        with stoker.Client(settings=Settings(redis_url=redis_url, webhook_roots=(root,))) as client:
            webhook = client.add_webhook(root, on=["job.*"])
            names["SECRET"] = "whsec_" + "A" * 43 + "="
            ended = end_jobs(client, 1)
            deliverer.deliver(after=timedelta(seconds=1))
            assert client.deliveries(webhook.id)[0].problem == "it answered 401"
            names["SECRET"] = webhook.secret
            for _ in range(2):
                client.replay_webhook(webhook.id, client.deliveries(webhook.id)[0].id)
                deliverer.deliver(after=timedelta(seconds=1))
        assert [told["data"]["id"] for told in names["heard"].values()] == ended
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    for line in "".join(re.findall(r"```console\n(.*?)```", guide, re.DOTALL)).splitlines():
        words = shlex.split(line.removeprefix("$ "))
        assert commands.run(*words[1:3], "--help").returncode == 0, line


def test_doctor_and_metrics_tell_how_deliveries_go(
    redis_url: str, connection: Connection, receiver: Receiver, eventually: Eventually, server: redis.Redis
) -> None:
    settings = Settings(redis_url=redis_url, webhook_roots=roots_of(receiver))
    deliverer = Deliverer(connection, eventually, roots=roots_of(receiver))
    [check] = doctor.CHECKS

    def finding() -> Finding:
        return check.finding(System(settings))

    assert finding().told == "there are none"
    with client_of(redis_url, receiver) as client:
        fine, failing, gone = (client.add_webhook(f"{receiver.url}/{name}") for name in ("fine", "failing", "gone"))
        answers = {"fine": OK, "failing": b"HTTP/1.1 500 No\r\n\r\n", "gone": b"HTTP/1.1 410 Gone\r\n\r\n"}
        receiver.answer = lambda request: answers[request.path.rpartition("/")[2]]
        end_jobs(client, 1)
        deliverer.deliver()
        found = finding()
        assert found.verdict == "warn"
        assert "it answered 500; 1 wait" in found.told
        assert f"stoker webhooks enable {gone.id}" in found.told
        assert fine.id not in found.told
        assert "failing/" not in found.told
        assert (found.numbers["disabled"], found.numbers["failing"], found.numbers["dead"]) == (1, 2, 1)
        server.hset("stoker-webhooks", "wh_junk", "junk")
        assert "wh_junk cannot be read" in finding().told

        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in LedgerCollector(settings, redis_url).collect()
            for sample in family.samples
            if sample.name.startswith("stoker_webhook")
        }
        assert samples["stoker_webhook_tries_total", fine.id, "delivered"] == 1
        assert samples["stoker_webhook_tries_total", failing.id, "failed"] == 1
        assert samples["stoker_webhook_waiting", failing.id] == 1
        assert samples["stoker_webhook_disabled", gone.id] == 1
        assert samples["stoker_webhook_dead", gone.id] == 1


def test_operators_alone_use_them_by_the_gateway(redis_url: str, receiver: Receiver, eventually: Eventually) -> None:
    settings = Settings(redis_url=redis_url, webhook_roots=roots_of(receiver))
    keys = keys_of_all_roles()
    keys.add("north", role="operator", tenants=("north",))
    with running_gateway(settings, eventually, keys) as gateway:
        body = {"url": receiver.url, "on": ["webhook.*"]}
        for key in ("viewer", "client", "north"):
            assert gateway.call("POST", "/v1/webhooks", body, key=key).status == 403
            assert gateway.call("GET", "/v1/webhooks", key=key).status == 403
        for wrong in ({"url": "http://10.0.0.1/"}, {"url": receiver.url, "on": ["x"]}):
            assert gateway.call("POST", "/v1/webhooks", wrong).status == 400
        assert gateway.call("POST", "/v1/webhooks", {"url": receiver.url, "unknown": 1}).status == 422
        added = gateway.call("POST", "/v1/webhooks", body)
        assert (added.status, added.json["secret"][:6], added.headers["cache-control"]) == (201, "whsec_", "no-store")
        path = f"/v1/webhooks/{added.json['id']}"
        sent = gateway.call("POST", f"{path}/test")
        assert (sent.status, sent.json["state"]) == (202, "waiting")
        listed = gateway.call("GET", f"{path}/deliveries?state=waiting").json["deliveries"]
        assert [each["id"] for each in listed] == [sent.json["id"]]
        replayed = gateway.call("POST", f"{path}/replay", {"delivery": sent.json["id"]})
        assert (replayed.status, len(replayed.json["deliveries"])) == (202, 1)
        assert gateway.call("POST", f"{path}/rotate", {}).json["secret"] != added.json["secret"]
        assert gateway.call("POST", f"{path}/enable").status == 200
        told = gateway.call("GET", "/v1/webhooks").json["webhooks"]
        assert [(each["id"], "secret" in each, "secrets" in each) for each in told] == [
            (added.json["id"], False, False)
        ]
        assert gateway.call("DELETE", path).status == 200
        assert gateway.call("DELETE", path).status == 400


def test_users_of_redis_read_no_secret_and_an_approval_is_told(tmp_path: Path, receiver: Receiver) -> None:
    """The rights of config/users.acl: clients end jobs that are told, and see neither URLs nor secrets."""
    with local_server(tmp_path) as url, redis.Redis.from_url(url) as admin:
        for _, name, *rules in map(str.split, acl_file().splitlines()):
            if name != "default":
                admin.execute_command("ACL", "SETUSER", name, *rules)
        passwords = {line.split()[1]: line.split(">")[1].split()[0] for line in acl_file().splitlines() if ">" in line}
        roots = roots_of(receiver)
        settings = {
            user: Settings(
                redis_url=f"redis://{user}:{word}@127.0.0.1:{urlsplit(url).port}/0", webhook_roots=roots, home=tmp_path
            )
            for user, word in passwords.items()
        }
        with closing(Connection.open(Settings(), url)) as everybody:
            drive(load_missing(), everybody.run)
        with stoker.Client(settings=settings["operator"]) as operator:
            added = operator.add_webhook(receiver.url)
            with stoker.Client(settings=settings["client"]) as client:
                ended = end_jobs(client, 2)
                refused: list[Callable[[], object]] = [
                    client.webhooks,
                    lambda: client.add_webhook(receiver.url),
                    lambda: client.deliveries(added.id),
                    lambda: client.replay_webhook(added.id),
                    lambda: client.remove_webhook(added.id),
                ]
                for call in refused:
                    with pytest.raises(stoker.Unauthorized) as error:
                        call()
                    assert "whsec_" not in str(error.value)
            with closing(Connection.open(Settings(), str(settings["controller"].redis_url))) as connection:
                webhooks = Webhooks(connection, Addresses(roots))
                webhooks.step()
                while webhooks.is_busy or len(receiver.received) < 2:
                    webhooks.step()
            assert told_of(receiver) == sorted(ended)
            assert [each.delivered for each in operator.webhooks()] == [2]
