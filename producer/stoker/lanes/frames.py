"""Requests and answers as bytes: small fixed headers in front of tensors in .npy or .npz.

A request is its client (16 bytes), its number among that client's (8 bytes) and its tensors; once in a lane, its
deadline stands in front (a double, ms by the server's clock). An entry of answers is, for each answer, the number (8
bytes), a status (1 byte), the length of what follows (4 bytes), and the tensors or the error as JSON.
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
# The number of a request that nobody waits for: its client is the id of Celery's result that its answer becomes.
RESULT = 2**64 - 1


@dataclass(frozen=True)
class Request:
    """A request taken from a lane.

    Attributes:
        client: whom to answer, as its key spells it.
        number: which of the client's requests.
        tensors: the inputs, encoded.
    """

    deadline_ms: float
    client: str
    number: int
    tensors: bytes


def request(client: uuid.UUID, number: int, tensors: bytes) -> bytes:
    """A request as it is pushed."""
    return _REQUEST.pack(client.bytes, number) + tensors


def read_request(data: bytes) -> Request | None:
    """A request as it is taken; None if somebody else has put these bytes there."""
    if len(data) < _IN_LANE.size:
        return None
    deadline_ms, client, number = _IN_LANE.unpack_from(data)
    return Request(deadline_ms, uuid.UUID(bytes=client).hex, number, data[_IN_LANE.size :])


def answers(told: Iterable[tuple[int, bytes | StokerError]]) -> bytes:
    """One entry with the answers to some of a client's requests, by their numbers."""
    parts: list[bytes] = []
    for number, outcome in told:
        if isinstance(outcome, StokerError):
            body = json.dumps([public_class(outcome).__name__, outcome.message]).encode()
            parts += (_ANSWER.pack(number, _ERROR, len(body)), body)
        else:
            parts += (_ANSWER.pack(number, _OK, len(outcome)), outcome)
    return b"".join(parts)


def read_answers(data: bytes) -> Iterator[tuple[int, bytes | StokerError]]:
    """The inverse of `answers`."""
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
