"""Requests and answers as bytes: a small fixed header, then tensors.

A request is the client's id (16 bytes), a number (8 bytes) and tensors; in a lane its deadline comes first (a double,
ms by the server's clock). Answers are, one after the other, the request's number (8 bytes), a status (1 byte), the
length of the rest (4 bytes), and tensors or an error as JSON.
"""

import json
import struct
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .. import errors
from ..errors import StokerError, public_class

_REQUEST = struct.Struct("<16sQ")
_IN_LANE = struct.Struct("<d16sQ")
_ANSWER = struct.Struct("<QBI")
_OK, _ERROR = 0, 1
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


def encode_request(client: uuid.UUID, number: int, tensors: bytes) -> bytes:
    """A request to push."""
    return _REQUEST.pack(client.bytes, number) + tensors


def decode_request(data: bytes) -> Request | None:
    """A request from a lane; None if the bytes are none."""
    if len(data) < _IN_LANE.size:
        return None
    deadline_ms, client, number = _IN_LANE.unpack_from(data)
    return Request(deadline_ms, uuid.UUID(bytes=client).hex, number, data[_IN_LANE.size :])


def encode_answers(answers: Iterable[tuple[int, bytes | StokerError]]) -> bytes:
    """Answers for one client, each with the number of its request: encoded tensors, or an error."""
    encoded: list[bytes] = []
    for number, answer in answers:
        if isinstance(answer, StokerError):
            body = json.dumps([public_class(answer).__name__, answer.message]).encode()
            encoded += (_ANSWER.pack(number, _ERROR, len(body)), body)
        else:
            encoded += (_ANSWER.pack(number, _OK, len(answer)), answer)
    return b"".join(encoded)


def decode_answers(data: bytes) -> Iterator[tuple[int, bytes | StokerError]]:
    """The inverse of `encode_answers`."""
    at = 0
    while at < len(data):
        number, status, length = _ANSWER.unpack_from(data, at)
        at += _ANSWER.size
        body = data[at : at + length]
        at += length
        if status == _OK:
            yield number, body
        else:
            name, message = json.loads(body)
            yield number, getattr(errors, name, StokerError)(message)
