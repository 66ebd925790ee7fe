"""Trying a model: a form made of what it takes, what it predicts, and what that comes from."""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...client.aio import AsyncClient
from ...errors import InvalidArgument, StokerError
from ...models.manifest import ModelVersion
from ...models.signature import TensorSpec
from ...terminal.html import Html, tag, void
from ..auth.keys import ApiKey
from ..auth.scopes import ALL, require_model, sees_tenant
from ..routes import Caller, Client, needs
from .answers import explained, predicted
from .curl import as_curl
from .forms import area, choice, field, sent
from .page import TRY, console_router, link, page, section
from .words import model_link

ROUTES = console_router()
_COLUMN = "column."
_WHOLE = "rows"
_PICTURE = "data:"
# Numbers of a row that are shown as an example: those of a large picture would be a page of gigabytes.
_MOST_EXAMPLE = 10_000
_TIMEOUT_S, _EXPLAIN_S = 20.0, 25.0


@ROUTES.get("/try", openapi_extra=needs("predict"))
async def choose(request: Request, key: Caller, model: str = "") -> Response:
    """Which model to try, for who may not read which there are."""
    if model:
        return RedirectResponse(f"{TRY}/{quote(model, safe='@')}", 303)
    # Those that its key names; a pattern is no name.
    named = [link(f"{TRY}/{name}", name) for name in key.models if not set(name) & set("*?[")]
    asked = tag(
        "form",
        field("Model", "model", required="", placeholder="digits or digits@3"),
        tag("button", "Try it", class_="first"),
    )
    return page(request, "Try a model", tag("p", *named, class_="acts") if named else "", asked)


@ROUTES.get("/try/{ref}", openapi_extra=needs("predict"))
async def form(request: Request, client: Client, key: Caller, ref: str) -> Response:
    """The form of a model."""
    version = await _version(client, key, ref)
    return page(request, f"Try {ref}", _form(key, ref, version, {}))


@ROUTES.post("/try/{ref}", openapi_extra=needs("predict"))
async def answer(request: Request, client: Client, key: Caller, ref: str) -> Response:
    """What a model predicts of what was filled in, and if asked, what that comes from."""
    version, given = await _version(client, key, ref), await sent(request)
    try:
        rows = _rows(version, given)
        [prediction] = (await client.predict(ref, rows, timeout=_TIMEOUT_S))[:1]
        said = [predicted(prediction), as_curl(request, ref, rows)]
        if given.get("what") == "explain" and may_explain(key):
            [explanation] = (await client.explain(prediction.model or ref, rows, timeout=_EXPLAIN_S))[:1]
            said.append(explained(explanation))
    except StokerError as error:
        said = [tag("p", error.message, class_="alert", role="alert")]
    return page(request, f"Try {ref}", *said, _form(key, ref, version, given))


async def _version(client: AsyncClient, key: ApiKey, ref: str) -> ModelVersion:
    require_model(key, ref)
    return await client.model(ref)


def _form(key: ApiKey, ref: str, version: ModelVersion, given: Mapping[str, str]) -> Html:
    buttons = [tag("button", "Predict", class_="first", name="what", value="predict")]
    if may_explain(key):
        buttons.append(tag("button", "Predict and explain", name="what", value="explain"))
    fields = list(_fields(version, given))
    about = tag("p", model_link(version.ref), f" predicts {_target(version)}. What is left empty is missing.")
    acts = tag("p", *buttons, class_="acts")
    return section("A row", about, tag("form", *fields, acts, method="post", action=f"{TRY}/{ref}"))


def may_explain(key: ApiKey) -> bool:
    """Whether a key may have an `Explain` job run as this page submits it: of no tenant, on whatever device."""
    is_of_its_kinds = any(fnmatchcase("explain", pattern) for pattern in key.kinds)
    return key.may("submit") and is_of_its_kinds and sees_tenant(key, "") and key.devices == ALL


def _target(version: ModelVersion) -> str:
    return ", ".join(version.signature.target_columns) or version.signature.task


def _fields(version: ModelVersion, given: Mapping[str, str]) -> Iterator[Html]:
    """A field for each column; where rows are arrays or windows of a table, one for the whole row."""
    if not _has_columns(version):
        yield area("The row", _WHOLE, given.get(_WHOLE) or _example(version), rows=6, hint=_hint(version))
        return
    for spec in version.signature.inputs:
        for column in spec.columns or (spec.name,):
            yield _field(spec, column, given.get(_COLUMN + column, ""))


def _field(spec: TensorSpec, column: str, value: str) -> Html:
    name = _COLUMN + column
    match spec.kind:
        case "boolean":
            return choice(column, name, [("", "missing"), ("true", "yes"), ("false", "no")], value)
        case "time":
            return field(column, name, value, type_="datetime-local", step="1", hint="UTC")
        case "text":
            return area(column, name, value, rows=3)
        case "image":
            drop = void("input", type="file", accept="image/*", data_into=name)
            return tag("label", tag("span", column), drop, void("input", type="hidden", name=name, value=""))
        case "number":
            known = spec.limits.get(column)
            hint = f"from {known[0]:.4g} to {known[1]:.4g}" if known else _range(spec)
            return field(column, name, value, inputmode="decimal", hint=hint)
        case "vector" | "tokens" | "tags" | "sequence":
            return area(column, name, value, rows=2, hint="JSON, such as [1, 2, 3]")
        case _:
            return field(column, name, value)


def _range(spec: TensorSpec) -> str:
    is_known = spec.low is not None and spec.high is not None and len(spec.columns) <= 1
    return f"in training {spec.low:.4g} to {spec.high:.4g}" if is_known else ""


def _has_columns(version: ModelVersion) -> bool:
    first, *more = version.signature.inputs
    return version.signature.forecast is None and bool(more or first.columns or first.kind is not None)


def _hint(version: ModelVersion) -> str:
    forecast = version.signature.forecast
    if forecast:
        return (
            f"JSON: the newest {forecast.window} rows of the table, each an object with {', '.join(forecast.columns)}"
        )
    [spec] = version.signature.inputs
    return f"JSON: {' × '.join('any' if size is None else str(size) for size in spec.shape)} numbers"


def _example(version: ModelVersion) -> str:
    shape = [size or 0 for size in version.signature.inputs[0].shape]
    if version.signature.forecast or not 0 < math.prod(shape) <= _MOST_EXAMPLE:
        return ""
    return json.dumps(np.zeros(shape).tolist())


def _rows(version: ModelVersion, given: Mapping[str, str]) -> Any:
    """What was filled in, as `predict` takes it.

    Raises:
        InvalidArgument: it cannot be read.
    """
    if not _has_columns(version):
        whole = _json(_WHOLE, given.get(_WHOLE, ""))
        return whole if version.signature.forecast else [whole]
    row = {}
    for spec in version.signature.inputs:
        for column in spec.columns or (spec.name,):
            row[column] = _value(spec, column, given.get(_COLUMN + column, ""))
    # A list of one, for a value may be a list itself.
    return [row]


def _value(spec: TensorSpec, column: str, text: str) -> object:
    if not text:
        return None
    match spec.kind:
        case "number":
            try:
                return float(text.replace(",", "."))
            except ValueError:
                raise InvalidArgument(f"{column} is a number, got {text[:100]!r}") from None
        case "boolean":
            return text == "true"
        case "image":
            return _picture(column, text)
        case "vector" | "tokens" | "tags" | "sequence":
            return _json(column, text)
        case _:
            return text


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"{name} is JSON: {error}") from None
    except RecursionError:
        raise InvalidArgument(f"{name} is nested too deep") from None


def _picture(column: str, text: str) -> bytes:
    """The bytes of a picture, which the script has put into the form as a data URL."""
    _, comma, coded = text.partition(",")
    try:
        if not (text.startswith(_PICTURE) and comma):
            raise binascii.Error
        return base64.b64decode(coded.encode(), validate=True)
    except binascii.Error:
        raise InvalidArgument(f"{column} is a picture: choose its file") from None
