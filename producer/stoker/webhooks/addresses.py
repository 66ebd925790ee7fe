"""Where webhooks may go: https of public addresses, and what the setting webhook_roots names."""

import socket
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import InvalidArgument, InvalidJob
from ..models.access import begins_with, is_public, parsed, shown

LONGEST_URL = 2000


class Address(NamedTuple):
    """An address that was checked, as `socket.socket` and its `connect` take it."""

    family: int
    place: Any


class Addresses:
    """Where webhooks may go.

    Args:
        roots: the setting `webhook_roots`: beginnings of URLs whose hosts may have any address.
    """

    def __init__(self, roots: Sequence[str] = ()) -> None:
        self._roots = tuple(map(urlsplit, roots))

    def check(self, url: str) -> None:
        """Check the form of a URL, without resolving its host.

        Raises:
            InvalidArgument: a webhook may not go there.
        """
        if len(url) > LONGEST_URL or not (url.isascii() and url.isprintable()) or " " in url:
            raise InvalidArgument(f"a webhook's URL has up to {LONGEST_URL:,} plain characters, got {shown(url)!r}")
        try:
            parts = parsed(url)
        except InvalidJob:
            raise _hostless(url) from None
        if not parts.hostname:
            raise _hostless(url)
        if parts.username is not None or parts.fragment:
            raise InvalidArgument(f"a webhook's URL has no user, password or #: {parts.scheme}://{parts.hostname}/…")
        if parts.scheme != "https" and not (parts.scheme == "http" and self._is_named(url)):
            raise _refusal(url)

    def resolve(self, url: str) -> list[Address]:
        """The addresses of a URL's host that a webhook may go to; connect to these, and resolve no name again.

        Raises:
            InvalidArgument: there is none.
            OSError: the name cannot be resolved.
        """
        self.check(url)
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        allowed = [
            Address(family, place)
            for family, _, _, _, place in found
            if self._is_named(url) or is_public(str(place[0]))
        ]
        if not allowed:
            raise _refusal(url)
        return allowed

    def _is_named(self, url: str) -> bool:
        return any(begins_with(urlsplit(url), root) for root in self._roots)


def _hostless(url: str) -> InvalidArgument:
    return InvalidArgument(f"{shown(url)} names no host; expected a URL such as https://host/path")


def _refusal(url: str) -> InvalidArgument:
    parts = urlsplit(url)
    # What follows the host is often a password of the receiver's.
    host = shown(f"{parts.scheme}://{parts.netloc}")
    return InvalidArgument(
        f"a webhook may not go to {host}: webhooks go to https:// of public addresses, and to what the setting "
        "webhook_roots names; to allow more, add the beginning of the URL to webhook_roots in stoker.toml, or to "
        "STOKER_WEBHOOK_ROOTS, of the controller and of whoever adds the webhook"
    )
