"""The headers of a request, read once for all who look at them."""

from collections.abc import MutableMapping
from typing import Any

_HEADERS = "stoker.headers"


class Headers(dict[bytes, bytes]):
    """The headers by their names in lower case; of several of a name, the last.

    Attributes:
        several: the names of which there are several.
        size_bytes: how long all names and values are together.
    """

    several: set[bytes]
    size_bytes: int


def headers_in(scope: MutableMapping[str, Any]) -> Headers:
    """The headers of a request."""
    headers: Headers | None = scope.get(_HEADERS)
    if headers is None:
        headers = scope[_HEADERS] = _read(scope)
    return headers


def _read(scope: MutableMapping[str, Any]) -> Headers:
    headers, size = Headers(), 0
    headers.several = set()
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name in headers:
            headers.several.add(name)
        headers[name] = value
    headers.size_bytes = size
    return headers
