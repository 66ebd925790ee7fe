"""What the protocol tells of the server and its models: metadata, health, statistics, the repository's index."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...client.aio import AsyncClient
from ...errors import InvalidJob
from ...kinds.problems import short
from ...models.manifest import ModelVersion
from ...version import VERSION
from ..auth.keys import ApiKey
from ..auth.scopes import require_model, sees_model
from ..encodings import Data
from ..probe import Probe
from ..problems import Problem
from .models import Models
from .served import ServedModel
from .statistics import Statistics

EXTENSIONS = (
    *("binary_tensor_data", "model_configuration", "model_repository", "parameters"),
    *("schedule_policy", "statistics"),
)
_PLATFORM = "keras"
# The most rows that clients put into one request, of a model that does not say how many it takes.
_MOST_ROWS = 4096


class _Index(msgspec.Struct):
    ready: bool | None = None


_INDEX = msgspec.json.Decoder(_Index)


class Documents:
    """Makes documents, each as its JSON is to be."""

    def __init__(self, client: AsyncClient, models: Models, statistics: Statistics) -> None:
        self._client = client
        self._models = models
        self._statistics = statistics
        self._serving = Probe(self._lacks)

    async def health(self, which: str) -> object:
        """Whether the server is "live", or "ready".

        Raises:
            Problem: 503: it is not ready.
        """
        if which == "live":
            return {"live": True}
        await self._require_ready()
        # The protocol's text has one name, and its clients read the other.
        return {"ready": True, "live": True}

    async def at(self, parts: list[str], key: ApiKey) -> object:
        """The document at a path below `/v2`, as far as a key may have the models that it tells of.

        Raises:
            Problem: 404: there is none; 403: it is of a model that the key may not have; 503: of one that is not ready.
            ModelNotFound, Unavailable: of its model.
        """
        match parts:
            case []:
                return {"name": "stoker", "version": VERSION, "extensions": EXTENSIONS}
            case ["models"]:
                return {"models": sorted({version.name for version in await self._all(key)})}
            case ["models", "stats"]:
                return self._stats([version.ref for version in await self._all(key)])
            case ["models", name, "versions", version, *rest] if "@" not in name:
                require_model(key, name)
                return await self._of_model(f"{name}@{version}", rest)
            case ["models", name, *rest]:
                require_model(key, name)
                return await self._of_model(name, rest)
        raise _nothing(parts)

    async def index(self, wanted: Data, key: ApiKey) -> list[dict[str, str]]:
        """All versions of the models that a key may have, and whether each can be asked.

        Args:
            wanted: the body of the request: empty, or JSON that may say {"ready": true}.

        Raises:
            InvalidJob: it is something else.
            Unavailable: Redis cannot be reached.
        """
        try:
            ready = _INDEX.decode(wanted).ready if wanted else None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidJob(
                f'the body is no request for an index, such as {{}} or {{"ready": true}}: {error}'
            ) from None
        why = await self._serving.lacks()
        if why and ready:
            return []
        state = {"state": "UNAVAILABLE" if why else "READY", "reason": why}
        versions = sorted(await self._all(key), key=lambda version: (version.name, version.version))
        return [{"name": version.name, "version": str(version.version), **state} for version in versions]

    async def _of_model(self, ref: str, rest: list[str]) -> object:
        match rest:
            case []:
                return await self._metadata(await self._models.newest(ref))
            case ["ready"]:
                model = await self._models.newest(ref)
                await self._require_ready()
                return {"name": model.version.name, "ready": True}
            case ["config"]:
                return _config(await self._models.newest(ref))
            case ["stats"]:
                chosen = await self._models.newest(ref)
                every = [each.ref for each in await self._models.all() if each.name == ref]
                return self._stats(every or [chosen.ref])
        raise _nothing(["models", ref, *rest])

    async def _all(self, key: ApiKey) -> list[ModelVersion]:
        return [version for version in await self._models.all() if sees_model(key, version.name)]

    async def _metadata(self, model: ServedModel) -> dict[str, Any]:
        name = model.version.name
        numbers = sorted(version.version for version in await self._models.all() if version.name == name)
        return {
            "name": name,
            "versions": [str(number) for number in numbers],
            "platform": _PLATFORM,
            "inputs": model.inputs,
            "outputs": model.outputs,
        }

    def _stats(self, refs: Iterable[str]) -> dict[str, Any]:
        return {"model_stats": [self._statistics.of(ref) for ref in refs]}

    async def _require_ready(self) -> None:
        if why := await self._serving.lacks():
            raise Problem(503, "NotReady", why, headers={"Retry-After": "1"})

    async def _lacks(self) -> str:
        """Why no model can be asked now; "" if they can."""
        workers = await self._client.workers()
        if any(queue.endswith(".infer") for worker in workers for queue in worker.queues):
            return ""
        return "no worker serves predictions: start one by `stoker worker`"


def _config(model: ServedModel) -> dict[str, Any]:
    """A model's configuration, as far as clients read it."""
    return {
        "name": model.version.name,
        "platform": _PLATFORM,
        "backend": _PLATFORM,
        "max_batch_size": model.version.signature.batch or _MOST_ROWS,
        "input": [_config_of(tensor) for tensor in model.inputs],
        "output": [_config_of(tensor) for tensor in model.outputs],
    }


def _config_of(tensor: Mapping[str, Any]) -> dict[str, Any]:
    datatype = tensor["datatype"]
    return {
        "name": tensor["name"],
        "data_type": "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}",
        "dims": tensor["shape"][1:],
    }


def _nothing(parts: list[str]) -> Problem:
    return Problem(404, "NotFound", f"there is no /v2/{short('/'.join(parts))}: see docs/inference_protocol.md")
