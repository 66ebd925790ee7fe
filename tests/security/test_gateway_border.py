"""What comes to the gateway in millions of pieces is taken or refused; what it tells names nothing of the inside."""

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import redis

from stoker.errors import StokerError, Unauthorized, Unavailable
from stoker.gateway.problems import of_error
from stoker.gateway.refusals import Refusal, Refusals
from stoker.gateway.routes import GuardedRoute
from stoker.outages import Dependency, DependencyUnavailable, Outage
from stoker.redis.calls import drive
from stoker.security import audit
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from ..integration.conftest import free_port
from ..integration.gateways import Gateway, running_gateway
from ..integration.test_gateway import filled, table
from .parties import Parties

TINY_BYTES, BODY_BYTES = 6, 3 << 20


@pytest.fixture
def gateway(redis_url: str, eventually: Eventually) -> Iterator[Gateway]:
    with running_gateway(Settings(redis_url=redis_url), eventually) as gateway:
        yield gateway


@pytest.mark.parametrize(("path", "status"), [("/v1/jobs", 422), ("/v2/models/nothing/infer", 404)])
def test_three_megabytes_in_chunks_of_six_bytes_end_no_gateway(gateway: Gateway, path: str, status: int) -> None:
    """CVE-2025-23310, CVE-2025-23311: a stack, or memory, for each tiny chunk."""
    body = b"{" + b" " * (BODY_BYTES - 2) + b"}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {gateway.keys.texts['operator']}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    parts = (body[at : at + TINY_BYTES] for at in range(0, len(body), TINY_BYTES))
    sent = head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S)) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        assert len(json.loads(answer.read())["detail"]) < 500
    assert gateway.call("GET", "/healthz", key=None).status == 200


def words_of(settings: Settings, *more: str) -> tuple[str, ...]:
    """What no caller is to read."""
    return (*more, str(settings.home), settings.store, "Traceback", "/site-packages/", "redis://", ".py")


def test_callers_are_told_nothing_of_where_redis_and_the_store_are(
    tmp_path: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """CVE-2025-23319: the text of an error names what is inside."""
    port = free_port()
    settings = Settings(
        redis_url=f"redis://somebody:s3cret@127.0.0.1:{port}/0", store_url=str(tmp_path / "hidden"), home=tmp_path
    )
    inside = words_of(settings, str(port), "s3cret", "somebody", "hidden")
    job = {"kind": "describe", "data": "sample://iris"}
    asked: tuple[tuple[str, str, Any], ...] = (
        ("POST", "/v1/jobs", job),
        ("GET", "/v1/jobs", None),
        ("GET", "/v1/models", None),
        ("GET", "/v1/workers", None),
        ("POST", "/v2/models/m/infer", {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}),
        ("GET", "/v2/models/m", None),
        ("GET", "/readyz", None),
    )
    with running_gateway(settings, eventually) as gateway, caplog.at_level(logging.WARNING):
        for method, path, body in asked:
            answer = gateway.call(method, path, body)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1"), (path, answer.body)
            told = answer.body.decode()
            assert not [word for word in inside if word in told], told
            assert "log says why" in told
    assert f"127.0.0.1:{port}" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        Unauthorized("redis.internal:6379 forbids this user a command"),
        DependencyUnavailable(Outage(of=Dependency.STORE, reason="the artifact store /srv/redis.internal is away")),
        StokerError("the command for Redis at redis.internal could not be sent"),
    ],
)
def test_what_tells_of_the_inside_stays_in_the_log(error: StokerError, caplog: pytest.LogCaptureFixture) -> None:
    told = of_error(error)
    assert "log says why" in told.detail
    assert "internal" not in told.detail
    assert "redis.internal" in caplog.text


def test_what_nobody_foresaw_is_told_of_in_one_sentence(gateway: Gateway, redis_url: str) -> None:
    """What somebody wrote into Redis by hand ends no request with more than a sentence."""
    with redis.Redis.from_url(redis_url) as server:
        for name in ("stoker:jobs:all", "stoker:models"):
            server.set(name, "no set")
    for path in ("/v1/jobs", "/v1/models", "/v2/models"):
        answer = gateway.call("GET", path)
        told = answer.body.decode()
        assert answer.status in (200, 500, 503), told
        assert not [word for word in words_of(Settings()) if word in told], told


def test_who_is_not_let_in_is_noted_once_a_minute_with_a_count(
    parties: Parties, redis_url: str, eventually: Eventually
) -> None:
    connection = parties.connection
    connection.run(audit.look(is_on=True, limit=1))

    def noted() -> list[tuple[str, str]]:
        entries = drive(audit.newest(100), connection.run)
        return [(entry.who, entry.text.partition(" from ")[0]) for entry in entries if entry.what == "refused"]

    with running_gateway(Settings(redis_url=redis_url), eventually) as gateway:
        for number in range(20):
            assert gateway.call("GET", f"/v1/jobs/{number}?key=s3cret", key=None).status == 401
            assert gateway.call("GET", f"/v2/models/{number}", key="revoked").status == 401
            assert gateway.call("POST", "/v1/jobs", key="viewer").status == 403
            assert gateway.call("GET", "/v1/jobs", headers={"Host": "evil.example"}).status == 421
        [viewer] = [key.id for key in gateway.keys.known.values() if key.name == "viewer"]
        first = {("", "401: GET /v1/jobs/0"), (viewer, "403: POST /v1/jobs"), ("", "421: GET /v1/jobs")}
        eventually(lambda: set(noted()) == first)
    # The minutes end with the gateway.
    later = {("", "401: 39 more like it"), (viewer, "403: 19 more like it"), ("", "421: 19 more like it")}
    assert sorted(noted()) == sorted(first | later)


def test_refusals_are_noted_by_the_minute_and_wait_for_redis() -> None:
    notes: list[Refusal] = []
    now, is_away = 0.0, True

    async def note(refusal: Refusal) -> None:
        if is_away:
            raise Unavailable("Redis is away")
        notes.append(refusal)

    refusals = Refusals(note, lambda: now)
    for now in (0.0, 30.0, 59.0, 61.0, 62.0):
        refusals.count(401, "", f"at {now:g}")
        asyncio.run(refusals.note(now))
    assert notes == []
    is_away = False
    asyncio.run(refusals.note(now))
    assert [refusal.words for refusal in notes] == ["401: at 0", "401: 2 more like it", "401: at 61"]
    asyncio.run(refusals.note(121.0))
    assert [refusal.count for refusal in notes] == [1, 2, 1, 1]


def routes() -> list[GuardedRoute]:
    return [route for route in table() if isinstance(route, GuardedRoute)]


def test_no_method_of_a_route_is_for_pages_and_names_of_others(gateway: Gateway) -> None:
    """CVE-2026-27482: POST and PUT were filtered, and DELETE was not."""
    methods = ("POST", "PUT", "PATCH", "DELETE", "PROPFIND")
    for method, path in product(methods, {"/v2/models/x/infer", *(filled(route.path) for route in routes())}):
        answer = gateway.call(method, path, headers={"Origin": "https://evil.example"})
        assert (answer.status, answer.json["code"]) == (403, "ForeignOrigin"), (method, path)
        answer = gateway.call(method, path, headers={"Host": "evil.example"})
        assert (answer.status, answer.json["code"]) == (421, "UnknownHost"), (method, path)


def test_no_route_takes_forms(gateway: Gateway) -> None:
    """CVE-2026-2651, CVE-2026-40347: there are no parts of an upload to begin, add or complete."""
    form = b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n" + b"c" * 1000 + b"\r\n--x--\r\n"
    bodies = {"multipart/form-data; boundary=x": form, "application/x-www-form-urlencoded": b"a=b&" * 1000}
    for route in routes():
        if route.body_field is None:
            continue
        for method in route.methods or ():
            for media, body in bodies.items():
                answer = gateway.call(method, filled(route.path), body, headers={"Content-Type": media})
                assert (answer.status, answer.json["code"]) == (415, "UnsupportedMediaType"), (method, route.path)


def test_many_ranges_are_one_answer(gateway: Gateway) -> None:
    """CVE-2025-62727: the work for a header of many ranges grows with its square."""
    ranges = ",".join(f"{at}-{at}" for at in range(2500))
    answer = gateway.call("GET", "/v1/openapi.json", headers={"Range": f"bytes={ranges}"})
    assert answer.status == 200
    assert answer.json["openapi"]
