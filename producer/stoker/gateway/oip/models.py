"""The models that are served, as the registry has them: looked up seldom, and again where something does not fit."""

import time
from collections.abc import Sequence

from ...client.noting import NotingClient
from ...models.manifest import ModelVersion
from .served import ServedModel

# How long the list of all is believed.
_LISTED_S = 1.0
_MOST_KEPT = 1_000


class Models:
    """Looks models up by a client, which believes for some seconds what a reference named."""

    def __init__(self, client: NotingClient) -> None:
        self._client = client
        # By reference, as callers give it.
        self._kept: dict[str, ServedModel] = {}
        self._all: Sequence[ModelVersion] = ()
        self._listed_until = 0.0

    def known(self, ref: str) -> ServedModel | None:
        """The version behind a reference, as it was some seconds ago; None if that is to be looked up."""
        version = self._client.known_model(ref)
        return None if version is None else self._served(ref, version)

    async def newest(self, ref: str) -> ServedModel:
        """The version behind a reference, as it is now.

        Raises:
            ModelNotFound: there is none.
            Unavailable: Redis cannot be reached.
        """
        return self._served(ref, await self._client.newest_model(ref))

    async def all(self) -> Sequence[ModelVersion]:
        """All versions, as they were a second ago.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        if time.monotonic() >= self._listed_until:
            self._all = await self._client.models()
            self._listed_until = time.monotonic() + _LISTED_S
        return self._all

    def _served(self, ref: str, version: ModelVersion) -> ServedModel:
        kept = self._kept.get(ref)
        if kept is None or kept.version is not version:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[ref] = ServedModel(version)
        return kept
