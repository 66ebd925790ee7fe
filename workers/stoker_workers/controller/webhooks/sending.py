"""One try of a delivery: a POST to an address that was checked, of whose answer the status line alone is read."""

import re
import socket
import ssl
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from stoker.errors import InvalidArgument
from stoker.webhooks.addresses import Address, Addresses

TRY_S = 15.0
"""Seconds that a try may take in all, once the name is resolved: from connecting to the status line."""
_MOST_ADDRESSES = 4
# How long the head of an answer may be before its end, and how much of one is read at once.
_MOST_HEAD_BYTES, _BLOCK_BYTES = 16_384, 4096
# Of answers that only announce one.
_MOST_HEADS = 5
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")


class NotDelivered(Exception):
    """There was no answer; says why, in words that tell nothing of what the receiver sent."""


def post(url: str, headers: Mapping[str, str], body: bytes, addresses: Addresses, try_s: float = TRY_S) -> int:
    """Send a body, and give the status of the answer; redirects are not followed.

    Raises:
        NotDelivered: the address may not be called, cannot be reached, or does not answer as a web server in time.
    """
    try:
        allowed = addresses.resolve(url)
        deadline = time.monotonic() + try_s
        with _connected(url, allowed, deadline) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(_head(url, headers, body) + body)
            return _answer(connection, deadline)
    except InvalidArgument as error:
        raise NotDelivered(error.message) from None
    except TimeoutError:
        raise NotDelivered(f"no answer within {try_s:g} s") from None
    except socket.gaierror:
        raise NotDelivered("its name cannot be resolved") from None
    except ssl.SSLCertVerificationError as error:
        raise NotDelivered(f"its certificate is not trusted: {error.verify_message}") from None
    except OSError as error:
        raise NotDelivered(f"its host takes no connection, or broke off ({type(error).__name__})") from None


def _connected(url: str, allowed: list[Address], deadline: float) -> socket.socket:
    """A connection to the first of these addresses that takes one; with TLS for https."""
    parts = urlsplit(url)
    failure: OSError = ConnectionError()
    for address in allowed[:_MOST_ADDRESSES]:
        plain = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            plain.settimeout(_left(deadline))
            plain.connect(address.place)
            if parts.scheme == "http":
                return plain
            plain.settimeout(_left(deadline))
            return ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
        except OSError as error:
            plain.close()
            failure = error
    raise failure


def _head(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    every = {"Host": parts.netloc, **headers, "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in every.items())]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


def _answer(connection: socket.socket, deadline: float) -> int:
    """The status of the answer, behind those that only announce it."""
    received = b""
    for _ in range(_MOST_HEADS):
        while b"\n" not in received:
            received += _more(connection, received, deadline)
        status = _STATUS.match(received)
        if status is None:
            raise NotDelivered("it does not answer as a web server does")
        if not status[1].startswith(b"1"):
            return int(status[1])
        while (end := _END.search(received)) is None:
            received += _more(connection, received, deadline)
        received = received[end.end() :]
    raise NotDelivered(f"more than {_MOST_HEADS} answers announce another")


def _more(connection: socket.socket, received: bytes, deadline: float) -> bytes:
    if len(received) > _MOST_HEAD_BYTES:
        raise NotDelivered("it does not answer as a web server does: the head of its answer does not end")
    connection.settimeout(_left(deadline))
    block = connection.recv(_BLOCK_BYTES)
    if not block:
        raise NotDelivered("its host broke off before it had answered")
    return block


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
