"""The gateway's door: who comes in, what is refused, and that it answers in every case."""

import asyncio
import http.client
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from stoker.errors import ClientClosed, InvalidJob, TooManyRequests, Unavailable
from stoker.gateway.app import make_app
from stoker.gateway.auth.keys import ROLES, KeyRing
from stoker.gateway.console.app import PUBLIC as CONSOLE_PUBLIC
from stoker.gateway.door import MOST_HEAD_BYTES, PUBLIC
from stoker.gateway.probe import Probe
from stoker.gateway.problems import of_error
from stoker.gateway.protocol import HeadBoundProtocol
from stoker.gateway.routes import NEED, GuardedRoute
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from .conftest import free_port
from .gateways import Gateway, keys_of_all_roles, running_gateway


@pytest.fixture
def gateway(redis_url: str, eventually: Eventually) -> Iterator[Gateway]:
    keys = keys_of_all_roles()
    keys.add("busy", role="viewer", per_minute=2, per_day=100)
    with running_gateway(Settings(redis_url=redis_url, gateway_body_bytes=4096), eventually, keys) as gateway:
        yield gateway


def table() -> list[Route]:
    """Every route that there is."""
    door, _ = make_app(Settings(redis_url="redis://127.0.0.1:1"), KeyRing({}))
    routes: list[Route] = door._app.app.routes  # type: ignore[attr-defined]  # it wraps FastAPI's
    return routes


def filled(path: str) -> str:
    """A path with something in place of its parameters."""
    return "/".join("x" if part.startswith("{") else part for part in path.split("/"))


def test_every_route_says_what_it_needs() -> None:
    for route in table():
        assert isinstance(route, GuardedRoute) or route.path in PUBLIC or route in CONSOLE_PUBLIC, route.path
        if isinstance(route, GuardedRoute):
            assert any((route.openapi_extra or {})[NEED] in may for may in ROLES.values()), route.path


def test_no_route_lets_anybody_in_without_the_right_key(gateway: Gateway) -> None:
    for route in table():
        if not isinstance(route, GuardedRoute):
            continue
        need = (route.openapi_extra or {})[NEED]
        for method in route.methods or ():
            for key, expected in {None: 401, "expired": 401, "revoked": 401}.items():
                answer = gateway.call(method, filled(route.path), key=key)
                assert (answer.status, answer.json["code"]) == (expected, "Unauthorized"), route.path
                assert answer.headers["www-authenticate"].startswith("Bearer")
            for role in (role for role, may in ROLES.items() if need not in may):
                answer = gateway.call(method, filled(route.path), key=role)
                assert (answer.status, answer.json["code"]) == (403, "Forbidden"), (route.path, role)


@pytest.mark.parametrize(
    "shown",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic b3BlcmF0b3I6",
        "Bearer " + "stk_" + "0" * 16 + "_" + "A" * 43,
        "Bearer " + "x" * 9000,
        "bearer\tstk_",
        "\xff\xfe",
    ],
)
def test_what_is_no_key_comes_in_nowhere(gateway: Gateway, shown: str) -> None:
    assert gateway.call("GET", "/v1/openapi.json", key=None, headers={"Authorization": shown}).status == 401


def test_half_a_key_is_none_and_neither_are_two(gateway: Gateway) -> None:
    text = gateway.keys.texts["operator"]
    for shown in (text[:-1], text + "A", text.upper(), text[:21] + gateway.keys.texts["viewer"][21:]):
        answer = gateway.call("GET", "/v1/openapi.json", key=None, headers={"Authorization": f"Bearer {shown}"})
        assert answer.status == 401
    twice = 2 * f"Authorization: Bearer {text}\r\n"
    told = raw(gateway, f"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n{twice}\r\n")
    assert told.startswith(b"HTTP/1.1 401 ")


def test_nobody_learns_without_a_key_what_there_is(gateway: Gateway) -> None:
    for method, path in (("GET", "/nowhere"), ("DELETE", "/v1/openapi.json"), ("TRACE", "/healthz"), ("PUT", "/")):
        assert gateway.call(method, path, key=None).status == 401
    told = gateway.call("GET", "/nowhere")
    assert (told.status, told.headers["content-type"]) == (404, "application/problem+json")
    assert told.json["error"] == told.json["detail"]
    told = gateway.call("DELETE", "/v1/openapi.json")
    assert (told.status, told.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["/v1/../healthz", "/v1/%2e%2e/healthz", "//healthz", "/healthz/", "/v1/%00", "/%ff"])
def test_a_path_is_what_it_says(gateway: Gateway, path: str) -> None:
    assert gateway.call("GET", path, key=None).status == 401
    assert gateway.call("GET", path).status == 404


def test_probes_are_answered_without_a_key(gateway: Gateway) -> None:
    for path in PUBLIC:
        assert gateway.call("GET", path, key=None).json == {"status": "ok"}
        assert gateway.call("HEAD", path, key=None).body == b""
        assert gateway.call("GET", path, key=None, headers={"Host": "10.0.0.1"}).status == 200


def test_a_gateway_without_redis_lives_and_is_not_ready(eventually: Eventually) -> None:
    settings = Settings(redis_url=f"redis://127.0.0.1:{free_port()}", patience_s=0)
    with running_gateway(settings, eventually) as gateway:
        assert gateway.call("GET", "/healthz", key=None).status == 200
        told = gateway.call("GET", "/readyz", key=None)
        assert (told.status, told.json["code"], told.headers["retry-after"]) == (503, "NotReady", "1")
        # Where Redis is, is nothing for strangers.
        for path in ("/readyz", "/v2/health/ready"):
            told = gateway.call("GET", path, key=None)
            assert (told.status, "127.0.0.1" in told.body.decode()) == (503, False), path


def test_probes_cost_redis_one_look_a_second() -> None:
    looks: list[int] = []

    async def look() -> str:
        looks.append(len(looks))
        await asyncio.sleep(0)
        return "nothing is here"

    async def ask() -> list[str]:
        probe = Probe(look)
        return await asyncio.gather(*(probe.lacks() for _ in range(100)))

    assert set(asyncio.run(ask())) == {"nothing is here"}
    assert looks == [0]


def test_who_is_to_try_again_is_told_when() -> None:
    for error in (TooManyRequests("later"), Unavailable("later"), ClientClosed("later")):
        assert of_error(error).response().headers["retry-after"] == "1", error
    assert "retry-after" not in of_error(InvalidJob("never")).response().headers


def test_what_is_left_of_a_limit_is_said_and_more_is_refused(gateway: Gateway) -> None:
    told = [gateway.call("GET", "/nowhere", key="busy") for _ in range(2)]
    assert not any("ratelimit" in answer.headers for answer in told), "what is nowhere costs nothing"
    answers = [gateway.call("GET", "/v1/openapi.json", key="busy") for _ in range(3)]
    # Unless a minute ends in between.
    if [answer.status for answer in answers] == [200, 200, 429]:
        assert answers[0].headers["ratelimit"].startswith('"minute";r=1;t=')
        assert answers[0].headers["ratelimit-policy"] == '"minute";q=2;w=60, "day";q=100;w=86400'
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert answers[2].json["code"] == "TooManyRequests"
    assert gateway.call("GET", "/v1/openapi.json", key="viewer").status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.", "[::1].evil"])
def test_another_name_of_the_host_is_refused(gateway: Gateway, host: str) -> None:
    answer = raw(gateway, f"GET /v1/openapi.json HTTP/1.1\r\nHost: {host}\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 421 ")


def test_an_address_of_the_sixth_version_stands_in_brackets(redis_url: str, eventually: Eventually) -> None:
    with running_gateway(Settings(redis_url=redis_url, gateway_hosts=("fd00::7",)), eventually) as gateway:
        for host, status in (("[fd00::7]:8765", 200), ("[fd00::8]", 421)):
            assert gateway.call("GET", "/v1/openapi.json", headers={"Host": host}).status == status


def test_a_body_that_is_too_long_is_answered_before_the_connection_ends(gateway: Gateway) -> None:
    answer = gateway.call("POST", "/v1/jobs", b"x" * (8 << 20))
    assert (answer.status, answer.json["code"]) == (413, "ContentTooLarge")


def test_pages_of_other_sites_may_not_call_it(redis_url: str, eventually: Eventually) -> None:
    settings = Settings(redis_url=redis_url, gateway_origins=("https://shop.example",))
    with running_gateway(settings, eventually) as gateway:
        foreign = gateway.call("POST", "/nowhere", headers={"Origin": "https://evil.example"})
        assert (foreign.status, foreign.json["code"]) == (403, "ForeignOrigin")
        for none in ("null", "http://[", "http://[::1", "\xff"):
            assert gateway.call("POST", "/nowhere", headers={"Origin": none}).status == 403, none
        own = f"http://127.0.0.1:{gateway.port}"
        assert gateway.call("POST", "/nowhere", headers={"Origin": own}).status == 404
        asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
        allowed = gateway.call("OPTIONS", "/nowhere", key=None, headers=asked)
        assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, "https://shop.example")
        assert "Inference-Header-Content-Length" in allowed.headers["access-control-allow-headers"]
        assert "Inference-Header-Content-Length" in allowed.headers["access-control-expose-headers"]
        refused = gateway.call("OPTIONS", "/nowhere", key=None, headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in refused.headers


def raw(gateway: Gateway, *sent: str | bytes) -> bytes:
    """What it answers to bytes as they are, until it closes the connection."""
    with closing(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)) as connection:
        for part in sent:
            connection.sendall(part.encode("latin-1") if isinstance(part, str) else part)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
            if b"\r\n\r\n" in answer and b"content-length" in answer:
                return answer
        return answer


def test_heads_that_are_too_long_are_refused(gateway: Gateway) -> None:
    start = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    assert b" 200 " in raw(gateway, f"{start}\r\n")
    long = "a" * (MOST_HEAD_BYTES + 1)
    path = f"GET /v1/{'a' * 9000} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert raw(gateway, path).startswith(b"HTTP/1.1 414 ")
    assert raw(gateway, f"{start.replace('/healthz', '/v1')}X: {long}\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    many = "".join(f"X-{number}: 1\r\n" for number in range(10_000))
    assert raw(gateway, f"{start.replace('/healthz', '/v1')}{many}\r\n").startswith(b"HTTP/1.1 431 ")
    # One that never ends is not kept until it does.
    assert raw(gateway, start, f"X: {10 * long}").startswith(b"HTTP/1.1 431 ")


def test_a_head_that_does_not_come_closes_the_connection(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeadBoundProtocol, "head_s", 0.2)
    for begun in (b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea"):
        with closing(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)) as connection:
            connection.sendall(begun)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        assert b"HTTP/1.1 408 " in answer
        assert (b"HTTP/1.1 200 " in answer) is (b"healthz" in begun)


def answered(connection: socket.socket) -> int:
    """The status of the next answer, which is read to its end, in however many pieces it comes."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def test_the_body_of_a_refused_request_is_no_further_one(gateway: Gateway) -> None:
    with closing(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)) as connection:
        # Together more than a head may have.
        for _ in range(30):
            connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\nx")
            assert answered(connection) == 401
            connection.sendall(b"x" * 3999)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answered(connection) == 200


def test_the_body_of_a_refused_request_may_not_take_for_ever(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeadBoundProtocol, "head_s", 0.2)
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)) as connection:
        connection.sendall(head + b"1\r\nx\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        # More than a head may have.
        connection.sendall(b"30000\r\n" + b"x" * 0x30000 + b"\r\n")
        # It is closed, and says nothing that could be taken for the answer to a further request.
        assert connection.recv(65536) == b""


@pytest.mark.parametrize(
    "sent", ["\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM"]
)
def test_what_is_no_http_is_refused(gateway: Gateway, sent: str) -> None:
    answer = raw(gateway, sent)
    assert not answer or answer.split()[1][:1] == b"4"
    assert gateway.call("GET", "/healthz", key=None).status == 200


def test_keys_in_a_query_are_no_keys_and_never_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    text = gateway.keys.texts["operator"]
    with caplog.at_level(logging.DEBUG):
        assert gateway.call("GET", f"/v1/openapi.json?api_key={text}&access_token={text}", key=None).status == 401
        refused = gateway.call("GET", f"/v1/openapi.json?key={text}")
        assert (refused.status, text in refused.body.decode()) == (400, False)
        eventually(lambda: "GET /v1/openapi.json 400 by operator" in caplog.text)
    assert text not in caplog.text
    assert text[:30] not in caplog.text


def test_a_path_cannot_steer_the_log(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    with caplog.at_level(logging.INFO):
        gateway.call("GET", "/%0a%1b[31mforged", key=None)
        eventually(lambda: "forged" in caplog.text)
    [line] = [record.getMessage() for record in caplog.records if "forged" in record.getMessage()]
    assert line.isprintable()


def test_more_requests_than_it_serves_are_refused_and_probes_are_not(redis_url: str, eventually: Eventually) -> None:
    settings = Settings(redis_url=redis_url, gateway_connections=1)
    with running_gateway(settings, eventually) as gateway:
        door = gateway.server.config.app
        door._served = 1
        refused = gateway.call("GET", "/v1/openapi.json")
        assert (refused.status, refused.json["code"], refused.headers["retry-after"]) == (
            503,
            "TooManyRequestsAtOnce",
            "1",
        )
        assert gateway.call("GET", "/healthz", key=None).status == 200
        door._served = 0
        assert gateway.call("GET", "/v1/openapi.json").status == 200


def test_bodies_beyond_the_room_for_all_are_refused_and_short_ones_are_not(
    redis_url: str, eventually: Eventually
) -> None:
    with running_gateway(Settings(redis_url=redis_url, gateway_body_bytes=100_000), eventually) as gateway:
        room = gateway.server._state.room
        headers = {"Content-Type": "application/json"}
        long, short = b'{"kind": 1, "kind": 2}' + b" " * 80_000, b'{"kind": 1, "kind": 2}'
        room.taken_bytes = 400_000
        for path in ("/v1/jobs", "/v2/models/digits/infer"):
            told = gateway.call("POST", path, long, headers=headers)
            assert (told.status, told.json["code"], told.headers["retry-after"]) == (503, "Unavailable", "1"), path
        assert gateway.call("POST", "/v1/jobs", short, headers=headers).json["code"] == "InvalidJSON"
        assert room.taken_bytes == 400_000
        room.taken_bytes = 0
        assert gateway.call("POST", "/v1/jobs", long, headers=headers).json["code"] == "InvalidJSON"
        assert room.taken_bytes == 0


def test_what_is_described_is_what_there_is(gateway: Gateway) -> None:
    described = gateway.call("GET", "/v1/openapi.json", key="predictor").json
    assert described["openapi"].startswith("3.1")
    routes = [route for route in table() if isinstance(route, GuardedRoute) and route.include_in_schema]
    assert set(described.get("paths", {})) == {route.path_format for route in routes}
    operations = [operation for path in described.get("paths", {}).values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"STOKER_GATEWAY_HOST": "0.0.0.0"}, "say by which names they call it in gateway_hosts"),
        ({"STOKER_GATEWAY_HOST": "::", "STOKER_GATEWAY_HOSTS": "*"}, "there are no API keys: make one"),
        ({"STOKER_GATEWAY_KEYS": "/nowhere"}, "gateway_keys"),
    ],
)
def test_it_does_not_start_open(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    refused = commands.run("gateway")
    assert (refused.returncode, told in refused.stderr) == (2, True), refused.stderr


def test_the_command_serves_until_it_is_told_to_end(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setenv("STOKER_REDIS_URL", redis_url)
    port = free_port()
    made: dict[str, Any] = json.loads(commands.run("gateway", "new-key", "shop", "--json").stdout)
    monkeypatch.setenv("STOKER_GATEWAY_KEYS", made["gateway_keys"])
    keys = keys_of_all_roles()
    keys.texts["shop"] = made["key"]
    process = subprocess.Popen(
        [sys.executable, "-m", "stoker.cli", "gateway", "--port", str(port)], stderr=subprocess.PIPE, text=True
    )
    gateway = Gateway(port, keys, None)
    try:
        eventually(lambda: answers(gateway))
        assert gateway.call("GET", "/v1/openapi.json", key="shop").status == 200
        assert commands.run("gateway", "revoke", "shop").returncode == 0
        eventually(lambda: gateway.call("GET", "/v1/openapi.json", key="shop").status == 401)
        made |= json.loads(commands.run("gateway", "new-key", "shop-2", "--json").stdout)
        keys.texts["shop"] = made["key"]
        eventually(lambda: gateway.call("GET", "/v1/openapi.json", key="shop").status == 200)
        for file in Path(made["gateway_keys"]).iterdir():
            file.unlink()
        eventually(lambda: gateway.call("GET", "/v1/openapi.json", key="shop").status == 401)
    finally:
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "by shop" in logged
    assert made["key"] not in logged


def answers(gateway: Gateway) -> bool:
    try:
        return gateway.call("GET", "/healthz", key=None).status == 200
    except OSError:
        return False
