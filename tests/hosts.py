"""A host of files over HTTP, with which a test has whatever trouble it likes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class Host(BaseHTTPRequestHandler):
    """Answers as its class says."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b"x,y\n" + b"1,0\n2,1\n" * 50
    says_length: ClassVar[bool] = True
    cuts: ClassVar[bool] = False
    requests: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.requests.append(f"{self.command} {self.path}")
        self.send_response(self.status)
        if self.says_length:
            self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body[: len(self.body) // 2] if self.cuts else self.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def host(port: int = 0, **answers: object) -> Iterator[tuple[str, list[str]]]:
    """A host of files; gives its URL, and what was asked of it."""
    requests: list[str] = []
    handler = type("HostOfOneTest", (Host,), answers | {"requests": requests})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
