"""Callers of HTTP without a library: requests that are bytes before the time begins, so that to call costs little."""

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_ANSWER_BYTES = 1 << 16
_TIMEOUT_S = 60.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "


@dataclass
class Load:
    """What callers have got.

    Attributes:
        ended: of each call, when it ended and how many seconds it took.
        answers: of each call, which request it sent, and the head and the body that came back.
        failed: how often which status came back instead.
    """

    ended: list[tuple[float, float]] = field(default_factory=list)
    answers: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


@dataclass
class _Caller:
    connection: socket.socket
    number: int
    started: float = 0.0
    got: bytes = b""

    def send(self, requests: Sequence[bytes]) -> None:
        self.got = b""
        self.started = time.perf_counter()
        self.connection.sendall(requests[self.number])


def encoded(path: str, body: bytes, headers: Mapping[str, str], host: str) -> bytes:
    """A request as it goes over the wire."""
    named = {"Host": host, **headers, "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def call(host: str, port: int, requests: Sequence[bytes], callers: int, until: float) -> Load:
    """Let callers send requests, each on a connection of its own and again as soon as it has its answer.

    Args:
        until: by `time.perf_counter`.

    Raises:
        OSError: a connection is refused, cut, or silent for a minute.
    """
    load = Load()
    with selectors.DefaultSelector() as ready:
        for number in range(callers):
            connection = socket.create_connection((host, port), _TIMEOUT_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller = _Caller(connection, number % len(requests))
            ready.register(connection, selectors.EVENT_READ, caller)
            caller.send(requests)
        while ready.get_map():
            events = ready.select(_TIMEOUT_S)
            if not events:
                raise TimeoutError(f"nothing came for {_TIMEOUT_S:g} s")
            for key, _ in events:
                caller = key.data
                if not _has_answer(caller, load):
                    continue
                if caller.started < until:
                    caller.number = (caller.number + callers) % len(requests)
                    caller.send(requests)
                else:
                    ready.unregister(caller.connection)
                    caller.connection.close()
    return load


def _has_answer(caller: _Caller, load: Load) -> bool:
    """Read on; whether the answer is here, which is noted then."""
    chunk = caller.connection.recv(_ANSWER_BYTES)
    if not chunk:
        raise ConnectionError("the server has cut a connection")
    caller.got += chunk
    head, end, body = caller.got.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not end or length is None or len(body) < int(length[1]):
        return False
    now = time.perf_counter()
    if head.startswith(_OK):
        load.ended.append((now, now - caller.started))
        load.answers.append((caller.number, head, body))
    else:
        load.failed[head[9:12].decode()] += 1
    caller.started = now
    return True
