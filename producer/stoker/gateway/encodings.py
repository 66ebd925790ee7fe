"""Content-Encoding: bodies inflated within bounds, and answers compressed where that is asked for."""

import asyncio
import gzip
import zlib
from functools import lru_cache

from .problems import Problem, too_large

Data = bytes | bytearray | memoryview

# Below, an answer is sent as it is: there is little to gain.
_FEWEST_COMPRESSED_BYTES = 1 << 10
MOST_AT_ONCE_BYTES = 64 << 10
"""Above, to read, inflate or deflate it would keep other requests waiting: a thread does it."""
_LEVEL = 1
# Tells gzip and zlib apart by their first bytes, which "deflate" means.
_EITHER = zlib.MAX_WBITS | 32
ENCODINGS = ("gzip", "deflate")


async def inflated(body: Data, encoding: str, most_bytes: int) -> Data:
    """A body as it was before its Content-Encoding.

    Raises:
        Problem: 415 for an encoding that is not known, 400 for bytes that are none, 413 for more than there may be.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ENCODINGS:
        raise Problem(
            415,
            "UnsupportedMediaType",
            f"the Content-Encoding is {encoding[:40]!r}; expected gzip, deflate or none",
            headers={"Accept-Encoding": ", ".join(ENCODINGS)},
        )
    at_once = min(most_bytes, MOST_AT_ONCE_BYTES)
    # A short body may be a thousand times as long when it is inflated.
    whole = _inflated(body, at_once) if len(body) <= at_once else None
    if whole is None:
        whole = await asyncio.to_thread(_inflated, body, most_bytes)
    if whole is None:
        raise too_large(most_bytes)
    return whole


async def deflated(body: bytes, accepted: str) -> tuple[bytes, str | None]:
    """A body compressed as a caller's Accept-Encoding asks for, and that encoding; None for one sent as it is."""
    encoding = wanted_encoding(accepted)
    if encoding is None or len(body) < _FEWEST_COMPRESSED_BYTES:
        return body, None
    if len(body) <= MOST_AT_ONCE_BYTES:
        return _deflated(body, encoding), encoding
    return await asyncio.to_thread(_deflated, body, encoding), encoding


@lru_cache(256)
def wanted_encoding(accepted: str) -> str | None:
    """The encoding that an Accept-Encoding asks for most; None if it is none of ours."""
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip().lower()] = _weight(parameter)
    best = max(ENCODINGS, key=lambda name: weights.get(name, 0.0))
    return best if weights.get(best, 0.0) > 0 else None


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    try:
        return float(value) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0


def _inflated(body: Data, most_bytes: int) -> bytes | None:
    """A body, inflated; None for more than there may be."""
    inflater = zlib.decompressobj(_EITHER)
    try:
        whole = inflater.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Problem(400, "InvalidBody", f"the body is not what its Content-Encoding says: {error}") from None
    if len(whole) > most_bytes:
        return None
    if not inflater.eof or inflater.unused_data:
        what = "ends too early" if not inflater.eof else "goes on behind its end"
        raise Problem(400, "InvalidBody", f"the compressed body {what}")
    return whole


def _deflated(body: bytes, encoding: str) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0) if encoding == "gzip" else zlib.compress(body, _LEVEL)
