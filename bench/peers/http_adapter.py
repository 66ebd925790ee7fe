"""The client of the systems that listen on HTTP: rows as JSON, on connections that stay open."""

import asyncio
import http.client
import io
import json
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from .. import bare
from ..adapter import CALL_TIMEOUT_S, Adapter, Array

Headers = http.client.HTTPMessage | Mapping[str, str]
"""Of an answer, by their names in any case."""
_HEADERS = {"content-type": "application/json"}
# What one request of a large call carries; as large a batch as the servers are allowed to make.
_ROWS_PER_REQUEST = 256


class HttpAdapter(Adapter):
    """POST `{"rows": [[…]]}` to /<model>; the answer is a list of predictions.

    A single caller uses the standard library's blocking client, which is faster for one; many use aiohttp.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._host = urlsplit(url).netloc
        self._local = threading.local()
        self._session: aiohttp.ClientSession | None = None

    def infer(self, model: str, rows: Array) -> Array:
        try:
            return self._infer(model, rows)
        except ConnectionError:
            # Between two measurements a server closes a connection that is idle.
            return self._infer(model, rows)

    def _infer(self, model: str, rows: Array) -> Array:
        connection = self._connection()
        path, sent, headers = self.request(model, rows)
        try:
            connection.request("POST", path, sent, dict(headers))
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        return self._answered(response.status, body, response.headers)

    async def infer_async(self, model: str, rows: Array) -> Array:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        path, sent, headers = self.request(model, rows)
        async with self._session.post(f"{self.url}{path}", data=sent, headers=headers) as response:
            return self._answered(response.status, await response.read(), response.headers)

    def request(self, model: str, rows: Array) -> tuple[str, bytes, Mapping[str, str]]:
        """The path, the body and the headers of a request."""
        return f"/{model}", json.dumps({"rows": rows.tolist()}).encode(), _HEADERS

    def answer(self, body: bytes, _: Headers) -> Array:
        """The predictions in an answer."""
        return np.array(json.loads(body), np.float32)

    def call_barely(self, model: str, rows: Array, callers: int, until: float) -> bare.Load:
        """Requests of one row each: see `bare.call`."""
        where = urlsplit(self.url)
        requests = [bare.encoded(*self.request(model, row[None]), self._host) for row in rows]
        return bare.call(where.hostname or "", where.port or 80, requests, callers, until)

    def bare_answer(self, head: bytes, body: bytes) -> Array:
        """The predictions in an answer as it came over the wire."""
        _, _, lines = head.partition(b"\r\n")
        return self.answer(body, http.client.parse_headers(io.BytesIO(lines + b"\r\n\r\n")))

    def many_ways(self) -> Mapping[str, Callable[[str, Array], Array]]:
        return {f"requests of {_ROWS_PER_REQUEST} rows": lambda model, rows: asyncio.run(self._many(model, rows))}

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def _many(self, model: str, rows: Array) -> Array:
        parts = [rows[start : start + _ROWS_PER_REQUEST] for start in range(0, len(rows), _ROWS_PER_REQUEST)]
        kept, self._session = self._session, None
        try:
            return np.concatenate(await asyncio.gather(*(self.infer_async(model, part) for part in parts)))
        finally:
            await self.close()
            self._session = kept

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(self._host, timeout=CALL_TIMEOUT_S)
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def _answered(self, status: int, body: bytes, headers: Headers) -> Array:
        if status != http.client.OK:
            raise RuntimeError(f"HTTP {status}: {body[:200]!r}")
        return self.answer(body, headers)
