"""A TCP proxy before a Redis server, with which a test loses an answer or cuts the line at a moment of its choice."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Passes connections on; made by `proxy_before`.

    Attributes:
        url: the server's URL by way of the proxy.
        accepted: how many connections were made.
        cut: set once the line is cut, and for good.
    """

    def __init__(self, url: str, listener: socket.socket) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = listener
        login = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{listener.getsockname()[1]}"))
        self.accepted = 0
        self.cut = threading.Event()
        self._fatal: bytes | None = None
        self._unlucky: bytes | None = None
        self._to_lose = 0

    def lose_answers(self, words: bytes, times: int) -> None:
        """Let the next requests that contain `words` reach the server, but lose the answers with their connections."""
        self._unlucky, self._to_lose = words, times

    def cut_at(self, words: bytes) -> None:
        """Cut the line at the next request that contains `words`; the server will not see it."""
        self._fatal = words

    @property
    def all_lost(self) -> bool:
        """Whether as many answers were lost as were to be."""
        return self._to_lose == 0

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        losing = False
        with client, socket.create_connection(self._server) as server:
            while not self.cut.is_set():
                for source in select.select([client, server], [], [], 0.05)[0]:
                    data = _received(source)
                    if source is client and self._fatal and self._fatal in data:
                        self.cut.set()
                    if not data or self.cut.is_set() or (source is server and losing):
                        return
                    if source is client and self._to_lose and self._unlucky and self._unlucky in data:
                        losing = True
                        self._to_lose -= 1
                    (client if source is server else server).sendall(data)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(1 << 16)
    except ConnectionError:
        return b""


@contextmanager
def proxy_before(url: str) -> Iterator[Proxy]:
    """A proxy before the server of a redis:// URL, for the length of a with block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(url, listener)
        thread = threading.Thread(target=proxy.serve, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.cut.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
