"""The models that are served, as the registry has them: looked up seldom, and again where something does not fit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...client.aio import AsyncClient
from ...models.manifest import ModelVersion
from .served import ServedModel

# How long a version behind a reference is believed. A request that does not fit it is checked against the newest.
_FRESH_S = 5.0
# The same for the list of all.
_LISTED_S = 1.0
_MOST_KEPT = 1_000


@dataclass(frozen=True)
class _Kept:
    model: ServedModel
    until: float


class Models:
    """Looks models up by an `AsyncClient`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._kept: dict[str, _Kept] = {}
        self._all: Sequence[ModelVersion] = ()
        self._listed_until = 0.0

    async def get(self, ref: str) -> ServedModel:
        """The version behind a reference, as it was a few seconds ago.

        Raises:
            ModelNotFound: there is none.
            Unavailable: Redis cannot be reached.
        """
        kept, now = self._kept.get(ref), time.monotonic()
        if kept and now < kept.until:
            return kept.model
        if kept:
            # One caller looks it up again; meanwhile the others use the old entry.
            self._kept[ref] = replace(kept, until=now + _LISTED_S)
        return await self.newest(ref)

    async def newest(self, ref: str) -> ServedModel:
        """The version behind a reference, as it is now; raises what `get` does."""
        version = await self._client.model(ref)
        kept = self._kept.get(ref)
        model = kept.model if kept and kept.model.version == version else ServedModel(version)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[ref] = _Kept(model, time.monotonic() + _FRESH_S)
        return model

    async def all(self) -> Sequence[ModelVersion]:
        """All versions, as they were a second ago.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        if time.monotonic() >= self._listed_until:
            self._all = await self._client.models()
            self._listed_until = time.monotonic() + _LISTED_S
        return self._all
