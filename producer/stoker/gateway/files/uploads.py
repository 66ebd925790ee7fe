"""Uploads: files that jobs take as data, put into the store and read from there."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from ...client.aio import AsyncClient
from ...errors import InvalidArgument
from ..auth.keys import ApiKey
from ..auth.scopes import ALL
from ..bodies import refuse_encoding
from ..problems import Problem
from ..routes import Caller, Client, document, needs, router, state_of
from . import sending
from .documents import KEEP_DAYS, Digest, KeepDays, ListedUpload, Name, Parts, StoredUpload, UploadList
from .receiving import Received, body, receiving

ROUTES = router("files")
_SCHEME = "store://"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
OfDigest = Annotated[Digest, Path(description="The SHA-256 of the whole upload, in hex.")]
OfName = Annotated[Name, Path(description="As the reference has it; its suffix says the format.")]


@ROUTES.post(
    "/files",
    operation_id="uploadFile",
    status_code=201,
    response_model=StoredUpload,
    openapi_extra=needs("submit", **_BODY),
)
async def upload(
    request: Request,
    client: Client,
    key: Caller,
    name: Annotated[Name, Query(description="For people, and by its suffix for the format.")],
    keep_days: KeepDays = KEEP_DAYS,
) -> Response:
    """Upload a file: the body is its bytes, as they are."""
    return await _receive(request, client, key, name, None, keep_days)


@ROUTES.put(
    "/files/{digest}/{name}",
    operation_id="putFile",
    status_code=201,
    response_model=StoredUpload,
    openapi_extra=needs("submit", **_BODY),
)
async def put(
    request: Request, client: Client, key: Caller, digest: OfDigest, name: OfName, keep_days: KeepDays = KEEP_DAYS
) -> Response:
    """Upload a file whose SHA-256 is known, which is checked; `HEAD` says whether it is there already."""
    return await _receive(request, client, key, name, digest, keep_days)


@ROUTES.post(
    "/files/join", operation_id="joinFiles", status_code=201, response_model=StoredUpload, openapi_extra=needs("submit")
)
async def join(request: Request, client: Client, key: Caller, wanted: Parts) -> Response:
    """Make one file of parts that were uploaded, so that an upload that was interrupted goes on behind the last."""
    state = state_of(request)
    with state.gate.stream(key):
        async with receiving() as received:
            for ref in wanted.parts:
                part = await client.stored(ref)
                with sending.readable():
                    await received.take(part.blocks(), state.settings.gateway_file_bytes)
            received.require(wanted.digest)
            return await _store(client, received, wanted.name, wanted.keep_days)


@ROUTES.get("/files", operation_id="listFiles", response_model=UploadList, openapi_extra=needs("read"))
async def list_files(client: Client, key: Caller) -> Response:
    """List what was uploaded, the newest first: for keys of all tenants, as a reference is all that reading takes."""
    _require_all_tenants(key)
    return document(UploadList(files=[ListedUpload.model_validate(each) for each in await client.uploads()]))


@ROUTES.get(
    "/files/{digest}/{name}",
    operation_id="getFile",
    response_class=Response,
    responses=sending.RESPONSES,
    openapi_extra=needs("read"),
)
async def get(request: Request, client: Client, key: Caller, digest: OfDigest, name: OfName) -> Response:
    """Read an upload, or a part of it: `Range`, `If-None-Match` and `HEAD` work."""
    return await _send(request, client, key, _ref(digest, name))


@ROUTES.get(
    "/files/{digest}/{name}/{path:path}",
    operation_id="getFileOfFolder",
    response_class=Response,
    responses=sending.RESPONSES,
    openapi_extra=needs("read"),
)
async def get_below(
    request: Request, client: Client, key: Caller, digest: OfDigest, name: OfName, path: str
) -> Response:
    """Read a file of an uploaded folder."""
    return await _send(request, client, key, f"{_ref(digest, name)}/{path}")


@ROUTES.delete("/files/{digest}/{name}", operation_id="removeFile", status_code=204, openapi_extra=needs("operate"))
async def remove(client: Client, key: Caller, digest: OfDigest, name: OfName) -> Response:
    """Forget an upload: jobs that name it are refused from now on; those that were submitted still read it.

    It is for keys of all tenants: who has uploaded the same file has the same reference.
    """
    _require_all_tenants(key)
    try:
        await client.remove_upload(_ref(digest, name))
    except InvalidArgument as error:
        raise _unknown(error) from None
    return Response(status_code=204)


async def _receive(
    request: Request, client: AsyncClient, key: Caller, name: str, digest: str | None, keep_days: float
) -> Response:
    refuse_encoding(request)
    if "content-range" in request.headers:
        why = "a body is a whole file here: send each part as a file without Content-Range, and POST /v1/files/join"
        raise Problem(400, "InvalidArgument", why)
    state = state_of(request)
    most_bytes = state.settings.gateway_file_bytes
    with state.gate.stream(key):
        async with receiving() as received:
            await received.take(body(request, most_bytes), most_bytes)
            received.require(digest)
            return await _store(client, received, name, keep_days)


async def _store(client: AsyncClient, received: Received, name: str, keep_days: float) -> Response:
    if not received.size:
        raise Problem(422, "InvalidBody", "there is nothing in the file: send its bytes as the body")
    ref = await client.upload(received.path, name=name, keep_days=keep_days)
    headers = {"Location": f"/v1/files/{quote(ref.removeprefix(_SCHEME))}", "ETag": f'"{received.digest}"'}
    return document(StoredUpload(ref=ref, size=received.size), 201, headers)


async def _send(request: Request, client: AsyncClient, key: Caller, ref: str) -> Response:
    try:
        file = await client.stored(ref)
    except InvalidArgument as error:
        raise _unknown(error) from None
    return sending.answer(request, file, state_of(request).gate.stream(key))


def _require_all_tenants(key: ApiKey) -> None:
    if key.tenants != ALL:
        why = f"key {key.id} ({key.name}) is for some tenants, and these are the files of all"
        raise Problem(403, "Forbidden", why)


def _ref(digest: str, name: str) -> str:
    return f"{_SCHEME}{digest}/{name}"


def _unknown(error: InvalidArgument) -> Problem:
    return Problem(404, "NotFound", error.message)
