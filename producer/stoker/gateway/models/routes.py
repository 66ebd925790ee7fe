"""Models: which there are, which an alias points to, and what they predict."""

from typing import Annotated, Any

import numpy as np
from fastapi import Body
from starlette.responses import Response

from ...errors import InvalidJob
from ...models.manifest import ModelVersion
from ...models.tensors import Array
from ..auth.scopes import require_alias, require_model, sees_model
from ..routes import Caller, Client, document, needs, router
from .documents import Predictions, Rows, VersionList

ROUTES = router("models")
_EXAMPLES: dict[str, Any] = {
    "records": {"summary": "Rows by the names of their columns", "value": {"rows": [{"age": 31, "plan": "basic"}]}},
    "numbers": {"summary": "Rows of numbers", "value": {"rows": [[5.1, 3.5, 1.4, 0.2]]}},
}


@ROUTES.get("/models", operation_id="listModels", response_model=VersionList, openapi_extra=needs("read"))
async def list_models(client: Client, key: Caller) -> Response:
    """List all versions of the models that the key may have."""
    versions = [version for version in await client.models() if sees_model(key, version.name)]
    return document(VersionList(models=versions))


@ROUTES.get("/models/{ref}", operation_id="getModel", response_model=ModelVersion, openapi_extra=needs("read"))
async def get(client: Client, key: Caller, ref: str) -> Response:
    """The version that a reference means: `digits`, `digits@3` or `digits@canary`."""
    require_model(key, ref)
    return document(await client.model(ref))


@ROUTES.put(
    "/models/{ref}/aliases/{alias}",
    operation_id="moveAlias",
    response_model=ModelVersion,
    openapi_extra=needs("operate"),
)
async def move_alias(client: Client, key: Caller, ref: str, alias: str) -> Response:
    """Let an alias point to a version."""
    require_model(key, ref)
    require_alias(key, alias)
    return document(await client.alias_model_for(key.id, ref, alias))


@ROUTES.post(
    "/models/{ref}/predict", operation_id="predict", response_model=Predictions, openapi_extra=needs("predict")
)
async def predict(
    client: Client, key: Caller, ref: str, given: Annotated[Rows, Body(openapi_examples=_EXAMPLES)]
) -> Response:
    """Predict rows, and say what the model's output means: labels with probabilities, or numbers."""
    require_model(key, ref)
    predicted = await client.predict(
        ref, _rows(given.rows), timeout=given.timeout, priority=given.priority, key=given.key
    )
    return document(Predictions(predictions=predicted))


def _rows(rows: list[dict[str, Any]] | list[list[Any]]) -> list[dict[str, Any]] | Array:
    """Rows as the client takes them.

    Raises:
        InvalidJob: they are lists, but not of numbers, or not of one shape.
    """
    if isinstance(rows[0], dict):
        return rows
    refused = InvalidJob("rows that are lists hold numbers, as many in each; name the columns for anything else")
    try:
        array = np.asarray(rows)
    except ValueError:
        raise refused from None
    # Text stays text: "1e5" is no number that its caller has meant.
    if array.dtype.kind not in "iuf":
        raise refused
    return array.astype(np.float64)
