"""What both clients do for an answer, without I/O: ask over the lane, decode by the version that answers."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ..errors import InvalidJob
from ..kinds import Priority
from ..lanes.frames import NAMES_VERSION, Answered, place_of_key
from ..ledger import registry
from ..models.answer import Answer
from ..models.manifest import ModelVersion
from ..models.prediction import Prediction
from ..models.predictions import predictions
from ..models.requests import request_id
from ..models.tensors import Outputs, Tensors, encode_tensors, joined_rows
from ..redis.calls import Call
from . import arguments, inference
from .inference import InferCall, ModelCache
from .tables import Rows

T = TypeVar("T")
Encode = Callable[[Tensors], list[bytes]]
"""Cuts a call's rows into requests."""


class Asking(NamedTuple):
    """Requests to send, of one call: all go to one version.

    Attributes:
        place: see `frames.place_of_key`; None for that of the call.
    """

    call: InferCall
    requests: Sequence[bytes]
    place: int | None


class Replies(NamedTuple):
    """The answers to these requests, by their numbers, in order.

    Attributes:
        client: the id of the client that asked, in hex.
    """

    client: str
    answers: Mapping[int, Answered]


class EncodedAnswer(NamedTuple):
    """An `Answer` whose outputs are encoded.

    Attributes:
        tensors: the outputs, as `decode_tensors` takes them.
        model, request: as those of `Answer`.
    """

    tensors: bytes
    model: str
    request: str


Predicting = Generator[Call[Any] | Asking, Any, T]
"""Steps that also ask lanes: such a step is answered with `Replies`, or with the `InvalidJob` of a request."""


def ask(
    models: ModelCache, model: str, rows: Rows, timeout: float, priority: Priority, key: str | None
) -> Predicting[Answer]:
    """The answer to one request for all rows."""
    answered = yield from ask_encoded(models, model, rows, timeout, priority, key)
    return Answer(inference.outputs(answered.tensors), answered.model, answered.request)


def ask_encoded(
    models: ModelCache, model: str, rows: Rows, timeout: float, priority: Priority, key: str | None
) -> Predicting[EncodedAnswer]:
    """`ask`, for the outputs as they came."""
    call, replies = yield from _replies(models, model, rows, timeout, priority, key, one_request)
    [(number, answer)] = replies.answers.items()
    ref = yield from _ref(call, answer)
    return EncodedAnswer(answer, ref, _id(ref, replies.client, number))


def infer(
    models: ModelCache, model: str, rows: Rows, timeout: float, priority: Priority, key: str | None, encode: Encode
) -> Predicting[Outputs]:
    """The outputs for rows, sent as `encode` cuts them."""
    _, replies = yield from _replies(models, model, rows, timeout, priority, key, encode)
    return joined_rows([inference.outputs(answer) for answer in replies.answers.values()])


def predict(
    models: ModelCache, model: str, rows: Rows, timeout: float, priority: Priority, key: str | None
) -> Predicting[list[Prediction]]:
    """What the version that answers predicts for each row."""
    call, replies = yield from _replies(models, model, rows, timeout, priority, key, inference.encode_rows)
    answers = list(replies.answers.values())
    version: ModelVersion = yield from models.version((yield from _ref(call, answers[0])))
    outputs = [inference.outputs(answer) for answer in answers]
    # A row's prediction has the id of the request that it was a part of.
    ids = [
        _id(version.ref, replies.client, number)
        for number, part in zip(replies.answers, outputs, strict=True)
        for _ in range(inference.rows_of(part))
    ]
    predicted = predictions(version, joined_rows(outputs), call.given)
    return [
        each.model_copy(update={"model": version.ref, "request": request})
        for each, request in zip(predicted, ids, strict=True)
    ]


def _replies(
    models: ModelCache,
    model: str,
    rows: Rows,
    timeout: float,
    priority: Priority,
    key: str | None,
    encode: Encode,
) -> Predicting[tuple[InferCall, Replies]]:
    """The answers to the requests of a call, all by one version."""
    place = None if key is None else place_of(key)
    call: InferCall = yield from models.call(model, rows, timeout, priority)
    replies: Replies | InvalidJob = yield Asking(call, encode(call.tensors), place)
    if isinstance(replies, InvalidJob):
        # They fit the version that the alias pointed at when it was last looked up.
        newer: InferCall | None = yield from models.newer(call, rows)
        if newer is None:
            raise replies
        call = newer
        replies = yield Asking(call, encode(call.tensors), place)
    elif len(replies.answers) > 1 and len({answer.version for answer in replies.answers.values()}) > 1:
        # The alias moved meanwhile, or its route: the version that answered first answers all.
        first = next(iter(replies.answers.values())).version
        call = call._replace(model=f"{call.model.partition('@')[0]}@{first}") if first is not None else call
        replies = yield Asking(call, encode(call.tensors), place)
    if isinstance(replies, InvalidJob):
        raise replies
    return call, replies


def _ref(call: InferCall, answer: Answered) -> Predicting[str]:
    """The version that gave an answer; what the reference names now, if the worker is too old to say."""
    if answer.version is None:
        version: ModelVersion = yield registry.resolve(call.model)
        return version.ref
    return f"{call.model.partition('@')[0]}@{answer.version}"


def _id(ref: str, client: str, number: int) -> str:
    return request_id(ref, client, number & ~NAMES_VERSION)


def one_request(rows: Tensors) -> list[bytes]:
    """All rows as one request."""
    return [encode_tensors(rows)]


def place_of(key: str | None) -> int | None:
    """The place of all requests of a key: see `frames.place_of_key`; None without one.

    Raises:
        InvalidArgument: the key is none.
    """
    return None if key is None else place_of_key(arguments.key(key))
