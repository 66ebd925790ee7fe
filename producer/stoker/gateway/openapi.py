"""The description of all routes, from which clients are made."""

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .problems import MEDIA_TYPE
from .routes import JSON, NEED, needs, router

ROUTES = router("gateway")
_SCHEME = {"type": "http", "scheme": "bearer", "description": "An API key: `stoker gateway new-key NAME` makes one."}


@ROUTES.get("/openapi.json", openapi_extra=needs("any"), include_in_schema=False)
async def describe(request: Request) -> Response:
    """Describe all routes, as OpenAPI 3.1."""
    return JSONResponse(description(request.app))


def description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an app, made once."""
    if app.openapi_schema is None:
        document = app.openapi()
        document.setdefault("components", {})["securitySchemes"] = {"key": _SCHEME}
        document["security"] = [{"key": []}]
        for path in document["paths"].values():
            for operation in path.values():
                _mend(operation)
    return app.openapi_schema or {}


def _mend(operation: dict[str, Any]) -> None:
    """Say what the framework does not know: problems have a media type of their own, and what is needed is prose."""
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if int(status) >= 400 and JSON in content:
            content[MEDIA_TYPE] = content.pop(JSON)
    need = operation.pop(NEED)
    operation["description"] = f"{operation.get('description', '')}\n\nFor keys that may `{need}`.".strip()
