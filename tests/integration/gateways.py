"""A gateway on this machine: uvicorn in a thread, and calls of it as an app makes them."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from stoker.gateway.auth.keys import ROLES, ApiKey, KeyRing, new_key
from stoker.gateway.serve import server_of
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import free_port


@dataclass
class Answer:
    """An answer of a gateway; headers by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Keys:
    """API keys: their texts by name, and the ring that knows them."""

    texts: dict[str, str] = field(default_factory=dict)
    known: dict[str, ApiKey] = field(default_factory=dict)

    def add(self, name: str, **fields: Any) -> str:
        text, key_id, digest = new_key()
        self.known[key_id] = ApiKey(key_id=key_id, name=name, digest=digest, **fields)
        self.texts[name] = text
        return text

    @property
    def ring(self) -> KeyRing:
        return KeyRing(self.known)


def keys_of_all_roles() -> Keys:
    """A key of each role, by the role's name; and "expired", "revoked"."""
    keys = Keys()
    for role in ROLES:
        keys.add(role, role=role)
    keys.add("expired", role="operator", expires=datetime.now(UTC) - timedelta(seconds=1))
    keys.add("revoked", role="operator", revoked=datetime.now(UTC))
    return keys


@dataclass
class Gateway:
    """A running gateway, as its callers see it."""

    port: int
    keys: Keys
    server: Any

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "operator",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call it with a key, by its name; what is no bytes is sent as JSON."""
        sent = {"Authorization": f"Bearer {self.keys.texts[key]}"} if key else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        with closing(self.connect()) as connection:
            connection.request(method, path, body, {**sent, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


@contextmanager
def running_gateway(
    settings: Settings, eventually: Eventually, keys: Keys | None = None, *, port: int | None = None
) -> Iterator[Gateway]:
    """A gateway with these settings and keys, on a port of its own unless one is given."""
    keys = keys or keys_of_all_roles()
    own = settings.model_copy(update={"gateway_port": port or free_port()})
    server = server_of(own, keys.ring)
    thread = threading.Thread(target=server.run, name="gateway")
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive())
        yield Gateway(own.gateway_port, keys, server)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
