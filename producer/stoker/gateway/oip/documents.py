"""What the protocol tells of the server and its models: metadata, health, statistics, the repository's index."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...client.aio import AsyncClient
from ...errors import InvalidJob, StokerError
from ...kinds.problems import short
from ...version import VERSION
from ..problems import Problem
from .datatypes import Data
from .models import Models
from .served import ServedModel
from .statistics import Statistics

EXTENSIONS = (
    *("binary_tensor_data", "model_configuration", "model_repository", "parameters"),
    *("schedule_policy", "statistics"),
)
_PLATFORM = "keras"
_PROBE_S = 2.0
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

    async def at(self, parts: list[str]) -> object:
        """The document at a path below `/v2`.

        Raises:
            Problem: 404: there is none; 503: it is of a server or a model that is not ready.
            ModelNotFound, Unavailable: of its model.
        """
        match parts:
            case []:
                return {"name": "stoker", "version": VERSION, "extensions": EXTENSIONS}
            case ["health", "live"]:
                return {"live": True}
            case ["health", "ready"]:
                await self._require_ready()
                # The protocol's text has one name, and its clients read the other.
                return {"ready": True, "live": True}
            case ["models"]:
                return {"models": sorted({version.name for version in await self._models.all()})}
            case ["models", "stats"]:
                return self._stats([version.ref for version in await self._models.all()])
            case ["models", name, "versions", version, *rest] if "@" not in name:
                return await self._of_model(f"{name}@{version}", rest)
            case ["models", name, *rest]:
                return await self._of_model(name, rest)
        raise _nothing(parts)

    async def index(self, wanted: Data) -> list[dict[str, str]]:
        """All versions, and whether each can be asked.

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
        why = await self._lacks()
        if why and ready:
            return []
        state = {"state": "UNAVAILABLE" if why else "READY", "reason": why}
        versions = sorted(await self._models.all(), key=lambda version: (version.name, version.version))
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
        if why := await self._lacks():
            raise Problem(503, "NotReady", why, headers={"Retry-After": "1"})

    async def _lacks(self) -> str:
        """Why no model can be asked now; "" if they can."""
        try:
            async with asyncio.timeout(_PROBE_S):
                workers = await self._client.workers()
        except StokerError as error:
            return error.message
        except TimeoutError:
            return f"Redis has not answered within {_PROBE_S:g} s"
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
