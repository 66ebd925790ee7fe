"""API keys in their files, as a running gateway follows them."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from stoker.gateway.auth import keys
from stoker.gateway.auth.admission import Gate
from stoker.gateway.auth.key_files import revoke, write_key
from stoker.gateway.auth.keys import ApiKey, KeyRing
from stoker.gateway.auth.sessions import COOKIE, LASTS_S, cookie_of
from stoker.gateway.sse.stream import EventStream, Frame
from stoker.security.key_files import write_pair


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def made(name: str, to: Path) -> ApiKey:
    return write_key(name, to, "client", None, {}, {})[1]


def session(key: ApiKey) -> dict[str, Any]:
    """A request of a browser that has logged in."""
    return {"method": "GET", "headers": [(b"cookie", f"{COOKIE}={cookie_of(key)}".encode())]}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("usual_umask")
def test_a_home_that_a_key_makes_is_for_its_user_alone(tmp_path: Path) -> None:
    # `stoker up` leaves a home as it is, and keeps models and uploads in it.
    made("shop", tmp_path / "home" / "keys" / "api")
    write_pair("alice", tmp_path / "other" / "keys" / "alice.pem", tmp_path / "other" / "trusted", "client", None, {})
    for folder in ("home", "home/keys", "home/keys/api", "other", "other/keys"):
        assert mode(tmp_path / folder) == 0o700, folder


def test_a_key_that_was_let_in_before_is_not_once_it_is_revoked_or_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_LOOK_S", 0.0)
    (text, shop), (gone, other) = (write_key(name, tmp_path, "client", None, {}, {}) for name in ("shop", "other"))
    ring = KeyRing.read(tmp_path)
    for _ in range(2):
        assert ring.key(text.encode()) == shop
        assert ring.key(gone.encode()) == other
        assert ring.key(f"{text}x".encode()) is None
    revoke(tmp_path, "shop")
    (tmp_path / "other.toml").unlink()
    found = ring.key(text.encode())
    assert found
    assert found.revoked
    assert not keys.is_valid(found)
    assert ring.key(gone.encode()) is None


def test_a_stream_ends_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_LOOK_S", 0.0)
    shop, _ = made("shop", tmp_path), made("other", tmp_path)
    gate, scope = Gate(KeyRing.read(tmp_path)), session(shop)

    async def events() -> AsyncIterator[Frame]:
        yield Frame("1", "job", "{}")
        revoke(tmp_path, "shop")
        yield Frame("2", "job", "{}")

    async def followed() -> list[object]:
        stream = EventStream(events(), nullcontext(), asyncio.Event(), lambda: gate.holds(scope, shop))
        return [frames async for frames in stream.body_iterator]

    # Both are there when they are sent, together.
    assert asyncio.run(followed()) == [b"retry: 2000\n\n"]


def test_a_stream_ends_with_its_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = made("shop", tmp_path)
    gate, scope, end = Gate(KeyRing.read(tmp_path)), session(shop), time.time() + LASTS_S + 1
    assert gate.holds(scope, shop)
    monkeypatch.setattr(time, "time", lambda: end)
    assert not gate.holds(scope, shop)


def test_what_cannot_be_read_is_told_once_and_the_keys_of_before_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keys, "_LOOK_S", 0.0)
    shop, file = made("shop", tmp_path), tmp_path / "shop.toml"
    ring, whole = KeyRing.read(tmp_path), file.read_text()
    gate, scope = Gate(ring), session(shop)
    with caplog.at_level(logging.ERROR):
        # An editor is halfway.
        file.write_text(whole[: len(whole) // 2])
        assert all(gate.holds(scope, shop) for _ in range(5))
        assert len(caplog.records) == 1
        file.write_text(whole)
        assert gate.holds(scope, shop)
        file.write_text(whole[: len(whole) // 2])
        assert gate.holds(scope, shop)
    assert len(caplog.records) == 2
