"""Downloads from web servers: every address is checked when it is connected to, time and size are bounded."""

import http.client
import io
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from stoker.errors import InvalidJob, Unavailable
from stoker.models.access import Access, is_public, parsed, refusal, shown
from stoker.outages import Dependency, DependencyUnavailable, Fault, Outage, fault_of_status

from .copies import BLOCK_BYTES, write_copy

CONNECT_S = 10.0
GRACE_S = 30.0
"""Seconds that a response may take, whatever its size."""
SLOWEST_BYTES_S = 20_000
"""The least average speed of a response in bytes per second, after the grace."""
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


def download(url: str, target: Path, access: Access) -> None:
    """Download a URL into a new file; redirects are followed to URLs that may be read.

    Raises:
        InvalidJob: it may not be read, is missing or too large, or its host is not a web server.
        DependencyUnavailable: its host is away, too slow, or broke off.
    """
    place = url
    try:
        for _ in range(_MOST_REDIRECTS + 1):
            next_place = _fetch(place, target, access)
            if next_place is None:
                return
            place = next_place
    except InvalidJob:
        raise
    except Unavailable as error:
        raise _away(f"{shown(url)} {error.message}") from None
    except TimeoutError:
        raise _away(f"{shown(url)} is too slow: its host sent nothing, or too little, for too long") from None
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise _away(f"{shown(url)} cannot be reached: names are not resolved at the moment") from None
        raise InvalidJob(f"{shown(url)} names a host that does not exist; check the URL") from None
    except ssl.SSLCertVerificationError as error:
        raise InvalidJob(f"{shown(url)} has a certificate that is not trusted: {error.verify_message}") from None
    except (ConnectionError, ssl.SSLError, http.client.IncompleteRead) as error:
        raise _away(f"{shown(url)} cannot be read: its host broke off ({type(error).__name__})") from None
    except http.client.HTTPException:
        raise InvalidJob(f"{shown(url)} does not answer as a web server does; check its host and port") from None
    raise InvalidJob(f"{shown(url)} redirects more than {_MOST_REDIRECTS} times; give the URL that it leads to")


def _away(reason: str) -> DependencyUnavailable:
    return DependencyUnavailable(Outage(of=Dependency.DATA, reason=reason))


def _fetch(url: str, target: Path, access: Access) -> str | None:
    """Download one response; for a redirect, gives its URL instead."""
    access.remote(url)
    parts = urlsplit(url)
    connection = _Connection(parts.hostname or "", parts.port, url, access)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    if parts.query:
        path += "?" + quote(parts.query, safe="=&%+/:,;@")
    try:
        connection.request("GET", path, headers={"User-Agent": "stoker", "Accept-Encoding": "identity"})
        response = connection.getresponse()
        if response.status in _REDIRECTS:
            return _redirected(url, response.headers.get("Location", ""))
        _check(response, url)
        _copy(response, target, url)
        return None
    finally:
        connection.end()


def _redirected(url: str, location: str) -> str:
    """The URL that a redirect leads to."""
    try:
        following = urljoin(url, location)
        scheme = parsed(following).scheme
    except (ValueError, InvalidJob):
        raise InvalidJob(f"{shown(url)} redirects to a URL that names no host; check the URL") from None
    if scheme not in ("http", "https"):
        raise refusal(url)
    return following


def _check(response: http.client.HTTPResponse, url: str) -> None:
    if response.status != 200:
        answered = f"its host answers {response.status}"
        match fault_of_status(response.status):
            case Fault.AWAY:
                raise Unavailable(f"is not served at the moment: {answered}")
            case Fault.FORBIDDEN:
                raise InvalidJob(f"{shown(url)} may not be read: {answered}; grant access to it")
            case Fault.MISSING:
                raise InvalidJob(f"there is no file {shown(url)}: {answered}; check the URL")
        raise InvalidJob(f"{shown(url)} cannot be read: {answered}; expected 200")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidJob(f"{shown(url)} is sent compressed, which was not asked for; serve the plain file")


def _copy(response: http.client.HTTPResponse, target: Path, url: str) -> None:
    expected = response.length  # None without Content-Length, or with a chunked response
    size = write_copy(target, iter(lambda: response.read1(BLOCK_BYTES), b""), url, expected)
    if expected is not None and size < expected:
        raise Unavailable(f"broke off after {size:,} of {expected:,} bytes")


class _Connection(http.client.HTTPConnection):
    """A connection to a checked address: the name is resolved once, checked, and connected to."""

    def __init__(self, host: str, port: int | None, url: str, access: Access) -> None:
        self._secure = urlsplit(url).scheme == "https"
        super().__init__(host, port or (443 if self._secure else 80), timeout=CONNECT_S)
        self._plain: socket.socket | None = None
        self._url = url
        self._any_address = access.names(url)

    def connect(self) -> None:
        plain = self._connected()
        if self._secure:
            context = ssl.create_default_context()
            plain = context.wrap_socket(plain, server_hostname=self.host, suppress_ragged_eofs=False)
        self._plain = plain
        self.sock = _TimedSocket(plain)

    def end(self) -> None:
        """Close the socket; `close` leaves it open for the response."""
        self.close()
        if self._plain:
            self._plain.close()

    def _connected(self) -> socket.socket:
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        allowed = [entry for entry in addresses if self._any_address or is_public(str(entry[4][0]))]
        if not allowed:
            raise refusal(self._url)
        failure: OSError | None = None
        for family, kind, protocol, _, address in allowed[:4]:
            plain = socket.socket(family, kind, protocol)
            plain.settimeout(CONNECT_S)
            try:
                plain.connect(address)
                return plain
            except OSError as error:
                plain.close()
                failure = error
        if isinstance(failure, TimeoutError):
            raise failure
        raise Unavailable("cannot be reached: its host does not take the connection")


class _TimedSocket:
    """A socket with a deadline for all its bytes, however slowly the other end sends them."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedBytes(self._socket))

    def close(self) -> None:
        """Nothing: a response is read after its connection is closed."""


class _TimedBytes(io.RawIOBase):
    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self._began = time.monotonic()
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a BufferedReader gives this
        left = self._began + GRACE_S + self._received / SLOWEST_BYTES_S - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        count = self._socket.recv_into(buffer)
        self._received += count
        return count
