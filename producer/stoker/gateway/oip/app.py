"""The protocol's routes, as one callable of ASGI without a framework: most requests are small, and there are many."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from ...client.asking import EncodedAnswer
from ...client.noting import NotingClient
from ...errors import InvalidArgument, InvalidJob, StokerError
from ...models.tensors import decode_tensors
from ..auth.admission import Scope
from ..auth.keys import ApiKey, Need
from ..auth.scopes import require_model
from ..bodies import Body, Room
from ..door import App, Receive, Send
from ..encodings import deflated
from ..headers import headers_in
from ..models.documents import LONGEST_S
from ..problems import Problem, of_error
from .documents import Documents
from .inference import InferenceRequest, decoded, encode_answer, raw_request
from .models import Models
from .served import ServedModel
from .statistics import Statistics

Admit = Callable[[Scope, Need], ApiKey]
"""Lets a request in, or raises the `Problem` that it is refused with."""

PREFIX = "/v2/"
_log = logging.getLogger(__name__)
_TIMEOUT_S = 30.0
_LENGTH = b"inference-header-content-length"
_ENCODER = msgspec.json.Encoder()
_OPEN = (["health", "live"], ["health", "ready"])
"""What probes ask for, which show no key."""
_NOT_HERE = frozenset(("trace", "logging", "systemsharedmemory", "cudasharedmemory", "load", "unload"))


class OpenInference:
    """Serves all paths from `/v2` on.

    Args:
        client: on which everything stands.
        admit: lets callers in.
        room: for all bodies of the gateway that are in hand.
        most_body_bytes: how long the body of a request may be.
    """

    def __init__(self, client: NotingClient, admit: Admit, room: Room, most_body_bytes: int) -> None:
        self._client = client
        self._admit = admit
        self._most_body_bytes = most_body_bytes
        self._room = room
        self._decoding = asyncio.Semaphore()
        self._models = Models(client)
        self._statistics = Statistics()
        self._documents = Documents(client, self._models, self._statistics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        parts = scope["path"].rstrip("/").split("/")[2:]
        try:
            if parts and parts[-1] == "infer":
                await self._infer(scope, parts[:-1], receive, send)
            else:
                await self._document(scope, parts, receive, send)
        except StokerError as error:
            await _refuse(_problem(error), scope, receive, send)
        except Problem as problem:
            await _refuse(problem, scope, receive, send)
        except Exception:  # noqa: BLE001  # the edge: the caller is told, and the log says why
            _log.exception("a request for %r failed", scope["path"][:200])
            failed = Problem(500, "InternalError", "the gateway failed at this: its log says why")
            await _refuse(failed, scope, receive, send)

    async def _infer(self, scope: Scope, parts: Sequence[str], receive: Receive, send: Send) -> None:
        key = self._admit(scope, "predict")
        _require(scope, "POST")
        ref = model_ref(parts)
        require_model(key, ref)
        asked = headers_in(scope)
        json_bytes = _length(asked[_LENGTH]) if _LENGTH in asked else None
        with Body(self._room, self._most_body_bytes) as body:
            data = await body.read(scope, receive)
            if b"content-encoding" in asked:
                data = await body.inflated(data, asked[b"content-encoding"].decode("latin-1").strip().lower())
            model = self._models.known(ref) or await self._models.newest(ref)
            request = raw_request(data, model) if json_bytes == 0 else await decoded(data, json_bytes, self._decoding)
            answer, head_bytes = await self._answered(ref, model, request)
        headers = []
        if b"accept-encoding" in asked:
            answer, used = await deflated(answer, asked[b"accept-encoding"].decode("latin-1"))
            headers = [(b"content-encoding", used.encode()), (b"vary", b"Accept-Encoding")] if used else []
        if head_bytes is not None:
            headers.append((_LENGTH, b"%d" % head_bytes))
        await _send(send, answer, b"application/json" if head_bytes is None else b"application/octet-stream", headers)

    async def _answered(self, ref: str, model: ServedModel, request: InferenceRequest) -> tuple[bytes, int | None]:
        """The encoded answer to a request, and the length of its JSON if there is more."""
        began = time.perf_counter_ns()
        try:
            try:
                answer = await self._asked(ref, model, request)
            except InvalidJob:
                # They may fit what the reference names by now.
                newest = await self._models.newest(ref)
                if newest.ref == model.ref:
                    raise
                model = newest
                answer = await self._asked(ref, model, request)
            if answer.model != model.ref:
                model = self._models.known(answer.model) or await self._models.newest(answer.model)
            outputs = model.outputs_of(decode_tensors(answer.tensors))
            encoded = encode_answer(request, ref.partition("@")[0], answer.request, outputs)
        except StokerError:
            self._statistics.failed(model.ref, time.perf_counter_ns() - began)
            raise
        rows = len(next(iter(outputs.values())))
        self._statistics.answered(model.ref, rows, time.perf_counter_ns() - began)
        return encoded

    def _asked(self, ref: str, model: ServedModel, request: InferenceRequest) -> Awaitable[EncodedAnswer]:
        return self._client.ask_encoded(
            ref,
            model.rows(request.tensors),
            timeout=_TIMEOUT_S if request.timeout_s is None else min(request.timeout_s, LONGEST_S),
            priority=request.priority,
            key=request.key,
        )

    async def _document(self, scope: Scope, parts: list[str], receive: Receive, send: Send) -> None:
        """Answer a request for what is known of the server and its models."""
        if parts in _OPEN:
            _require(scope, "GET", "HEAD")
            await _send(send, _ENCODER.encode(await self._documents.health(parts[1])), b"application/json", [])
            return
        key = self._admit(scope, "read" if parts[-1:] == ["stats"] or parts[:1] == ["repository"] else "any")
        if _NOT_HERE.intersection(parts[:1] + parts[2:]):
            raise Problem(
                501, "NotImplemented", f"this server has no {'/'.join(parts)[:200]}: GET /v2 says what it has"
            )
        if parts == ["repository", "index"]:
            _require(scope, "POST")
            with Body(self._room, self._most_body_bytes) as body:
                wanted = await body.read(scope, receive)
            document: object = await self._documents.index(wanted, key)
        else:
            _require(scope, "GET", "HEAD")
            document = await self._documents.at(parts, key)
        await _send(send, _ENCODER.encode(document), b"application/json", [])


class Beside:
    """Gives requests of the protocol to its app, past any framework, and all others to another.

    Attributes:
        app: that of the others.
    """

    def __init__(self, app: App, protocol: App) -> None:
        self.app = app
        self._protocol = protocol

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        path = scope.get("path", "")
        is_its = scope["type"] == "http" and (path.startswith(PREFIX) or path == PREFIX[:-1])
        return (self._protocol if is_its else self.app)(scope, receive, send)


def model_ref(parts: Sequence[str]) -> str:
    """The reference of the model that a path names, such as models/digits/versions/3.

    Raises:
        Problem: 404: it names none.
    """
    match parts:
        case ["models", name]:
            return name
        case ["models", name, "versions", version] if "@" not in name:
            return f"{name}@{version}"
    raise Problem(
        404, "NotFound", "there is nothing here: expected /v2/models/NAME or /v2/models/NAME/versions/VERSION"
    )


def _require(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        allowed = ", ".join(methods)
        raise Problem(405, "MethodNotAllowed", f"this takes {allowed}", headers={"Allow": allowed})


def _length(value: bytes) -> int:
    """The value of Inference-Header-Content-Length."""
    if not value.isdigit() or len(value) > 18:
        shown = value[:40].decode("latin-1")
        raise InvalidArgument(f"Inference-Header-Content-Length must be the bytes of the JSON, got {shown!r}")
    return int(value)


def _problem(error: StokerError) -> Problem:
    problem = of_error(error)
    # What does not fit a model is 422 elsewhere; clients of this protocol know 400.
    if isinstance(error, InvalidJob):
        problem.status_code = 400
    return problem


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem.response()
    # KServe's client looks for `error` in nothing else.
    response.headers["content-type"] = "application/json"
    await response(scope, receive, send)


async def _send(send: Send, body: bytes, media: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers += [(b"content-type", media), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
