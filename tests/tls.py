"""TLS in front of a server that has none: that which tests run."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from .conftest import PATIENCE_S


class Terminator:
    """Speaks TLS in front of a server that does not; lives in an event loop."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self, context: ssl.SSLContext) -> int:
        """Listen; gives the port."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._writers += [writer, ours]
        await asyncio.gather(pump(reader, ours), pump(theirs, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until one side is closed, then close the other."""
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@contextmanager
def terminator(server_url: str, context: ssl.SSLContext) -> Iterator[int]:
    """A terminator in a thread of its own; gives its port."""
    loop, running = asyncio.new_event_loop(), Terminator(server_url)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(running.start(context), loop).result(PATIENCE_S)
    finally:
        asyncio.run_coroutine_threadsafe(running.stop(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def tls_url(server_url: str, port: int, host: str = "localhost", user: str = "", **files: Path) -> str:
    """The URL of a server behind a terminator, for its default user, or another with a password, as name:password."""
    options = urlencode({name: str(path) for name, path in files.items()})
    return f"rediss://{user or f':{urlsplit(server_url).password}'}@{host}:{port}/0?{options}".rstrip("?")
