"""A few rows inside a spec: a model's tensors as text."""

import zlib
from base64 import b64decode, b64encode
from binascii import Error

from ..errors import InvalidJob
from .tensors import Tensors, decode_tensors, encode_tensors

_MOST_BYTES = 256 << 20
"""What a few megabytes of text may unpack to."""


def inlined(tensors: Tensors) -> str:
    """Tensors as text.

    Raises:
        InvalidJob: an array holds neither numbers nor text.
    """
    return b64encode(zlib.compress(encode_tensors(tensors))).decode()


def read_inline(text: str) -> Tensors:
    """The inverse of `inlined`.

    Raises:
        InvalidJob: it was not written by it, or is too large.
    """
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(b64decode(text, validate=True), _MOST_BYTES)
    except (Error, ValueError, zlib.error) as error:
        raise InvalidJob(f"given holds no rows ({error}): client.explain writes it") from None
    if not unpacking.eof:
        raise InvalidJob(f"given is damaged, or unpacks to more than {_MOST_BYTES:,} bytes: client.explain writes it")
    return decode_tensors(content)
