"""The reference of the gateway's routes, made of the OpenAPI document that it serves itself."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from stoker.gateway.app import make_app
from stoker.gateway.auth.keys import KeyRing, key_of, new_key
from stoker.settings import Settings

from .docstrings import described

Document = Mapping[str, Any]
"""JSON, as OpenAPI lays it out."""

_HEAD = """All routes of `stoker gateway` but those of the [Open Inference Protocol](../inference_protocol.md) and the
pages of the [console](../console.md). [Over HTTP](../gateway.md) tells how to use them. Each takes an API key as
`Authorization: Bearer …`, and answers errors as problems (`application/problem+json`) with a `code` and a `detail`.

The same for programs, which make clients of it: [openapi.json](openapi.json), which a gateway serves as
`/v1/openapi.json`."""
_HOST = "http://127.0.0.1"


def openapi() -> Document:
    """What a gateway answers to `GET /v1/openapi.json`."""
    text, key_id, digest = new_key()
    key = key_of(Path(), "reader", {"key_id": key_id, "digest": digest, "role": "viewer"})
    # Nothing is asked of Redis for this.
    gateway, _state = make_app(Settings(redis_url="redis://127.0.0.1:1"), KeyRing({key_id: key}))
    answer = TestClient(gateway, base_url=_HOST).get("/v1/openapi.json", headers={"Authorization": f"Bearer {text}"})
    answer.raise_for_status()
    document: Document = answer.json()
    return document


def page(document: Document) -> str:
    """The page of all routes."""
    parts = ["# HTTP routes", _HEAD]
    by_tag: dict[str, list[tuple[str, str, Document]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_tag.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    for tag, operations in by_tag.items():
        parts.append(f"## {tag.capitalize()}")
        for method, path, operation in operations:
            parts += _operation(method, path, operation, document)
    return "\n\n".join(part for part in parts if part) + "\n"


def _operation(method: str, path: str, operation: Document, document: Document) -> Iterator[str]:
    yield f"### {method} {path}"
    yield operation["description"]
    rows = [(f"`{found['name']}` in the {found['in']}", _said(found)) for found in operation.get("parameters", ())]
    yield described(rows)
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body, `{kind}`: {_type(body.get('schema', {}))}"
        name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
        yield described(_fields(document["components"]["schemas"].get(name, {})))
        for example in body.get("examples", {}).values():
            yield f"{example.get('summary', 'For example')}:\n\n```json\n{json.dumps(example['value'], indent=2)}\n```"
    for status, response in operation["responses"].items():
        if int(status) < 400:
            kinds = [f"`{kind}` {_type(told.get('schema', {}))}" for kind, told in response.get("content", {}).items()]
            yield f"Answers {status} {HTTPStatus(int(status)).phrase}{': ' if kinds else '.'}{', '.join(kinds)}"


def _fields(schema: Document) -> list[tuple[str, str]]:
    required = schema.get("required", ())
    return [
        (f"`{name}` {_type(told)}{', required' if name in required else ''}", told.get("description", ""))
        for name, told in schema.get("properties", {}).items()
    ]


def _said(parameter: Document) -> str:
    required = "required" if parameter.get("required") else "optional"
    return f"{_type(parameter.get('schema', {}))}, {required}. {parameter.get('description', '')}".strip()


def _type(schema: Document) -> str:
    """What a value is, in a few words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "enum" in schema:
        return " | ".join(f"`{value}`" for value in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(part) for part in schema[several]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any value"))
