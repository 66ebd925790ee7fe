"""Requests and answers as bytes: a small fixed header, then tensors.

A request is the client's id (16 bytes), a number (8 bytes) and tensors; in a lane its deadline comes first (a double,
ms by the server's clock). The number's top bit asks for the version that answers; its low 16 bits are the request's
place, by which an alias with a route shares its requests. Answers are, one after the other, the request's number (8
bytes), a status (1 byte), the length of the rest (4 bytes), and tensors or an error as JSON; before the tensors comes
the number of the version (4 bytes), if that was asked for and the worker is not too old to know.
"""

import hashlib
import json
import struct
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from .. import errors
from ..errors import StokerError, public_class

# The errors that an answer may name: what is written there by others calls nothing else.
_ERRORS = {
    name: known for name, known in vars(errors).items() if isinstance(known, type) and issubclass(known, StokerError)
}
_REQUEST = struct.Struct("<16sQ")
_IN_LANE = struct.Struct("<d16sQ")
_ANSWER = struct.Struct("<QBI")
_BY = struct.Struct("<I")
_OK, _ERROR, _OK_BY = 0, 1, 2
# In a request's number: asks for the version that answers.
NAMES_VERSION = 1 << 63
# The low bits of a number, which are its place, and a number that spreads neighbours over all places.
PLACES = 1 << 16
_SPREADS = 40503
# The number of a request that nobody waits for: its client is the id of Celery's result.
RESULT = 2**64 - 1


@dataclass(frozen=True)
class Request:
    """A request taken from a lane.

    Attributes:
        client: id of the client that waits for the answer, in hex.
        number: the request's number at the client.
        tensors: the encoded inputs.
    """

    deadline_ms: float
    client: str
    number: int
    tensors: bytes


class Answered(bytes):
    """Encoded outputs, and the number of the version that gave them; None if that is not known."""

    version: int | None

    def __new__(cls, tensors: bytes | memoryview, version: int | None = None) -> Self:
        answered = super().__new__(cls, tensors)
        answered.version = version
        return answered


def place(request: Request) -> float:
    """Where a request stands among all, from 0 to 1: below its share, it goes to the second version of a route.

    Numbers that are counted up are spread evenly. A request that is computed again has the same place.
    """
    low = int(request.client[-4:], 16) if request.number == RESULT else request.number
    return low % PLACES * _SPREADS % PLACES / PLACES


def place_of_key(key: str) -> int:
    """The low bits of the numbers of all requests with a key, such as a user's name."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=2).digest(), "little")


def encode_request(client: uuid.UUID, number: int, tensors: bytes) -> bytes:
    """A request to push."""
    return _REQUEST.pack(client.bytes, number) + tensors


def decode_request(data: bytes) -> Request | None:
    """A request from a lane; None if the bytes are none."""
    if len(data) < _IN_LANE.size:
        return None
    deadline_ms, client, number = _IN_LANE.unpack_from(data)
    return Request(deadline_ms, uuid.UUID(bytes=client).hex, number, data[_IN_LANE.size :])


def encode_answers(answers: Iterable[tuple[int, bytes | StokerError, int | None]]) -> bytes:
    """Answers for one client, each with the number of its request: encoded tensors, or an error.

    Args:
        answers: the last of each is the number of the version that gave it; None if that is not known.
    """
    encoded: list[bytes] = []
    for number, answer, version in answers:
        if isinstance(answer, StokerError):
            body = json.dumps([public_class(answer).__name__, answer.message]).encode()
            encoded += (_ANSWER.pack(number, _ERROR, len(body)), body)
        elif version is not None and number & NAMES_VERSION:
            encoded += (_ANSWER.pack(number, _OK_BY, _BY.size + len(answer)), _BY.pack(version), answer)
        else:
            encoded += (_ANSWER.pack(number, _OK, len(answer)), answer)
    return b"".join(encoded)


def decode_answers(data: bytes) -> Iterator[tuple[int, Answered | StokerError]]:
    """The inverse of `encode_answers`."""
    at, view = 0, memoryview(data)
    while at < len(data):
        number, status, length = _ANSWER.unpack_from(data, at)
        at += _ANSWER.size
        body = view[at : at + length]
        at += length
        if status == _OK:
            yield number, Answered(body)
        elif status == _OK_BY:
            yield number, Answered(body[_BY.size :], *_BY.unpack_from(body))
        else:
            name, message = json.loads(bytes(body))
            yield number, _ERRORS.get(str(name), StokerError)(str(message))
