"""What one gateway holds, for as long as it runs."""

import asyncio
import time
from dataclasses import dataclass, field

from ..client.aio import AsyncClient
from ..errors import StokerError
from ..models.access import Access
from ..settings import Settings
from .auth.admission import Gate

# A probe is answered by what was known so long ago, so that many of them cost Redis little.
_FRESH_S = 1.0
_PROBE_S = 2.0


@dataclass
class State:
    """What one gateway holds.

    Attributes:
        gate: admits requests.
        client: on which everything stands.
        access: the local files that submits may be checked against.
        ending: whether the gateway takes no more work.
    """

    settings: Settings
    gate: Gate
    client: AsyncClient
    access: Access
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    _known: tuple[float, str] | None = None
    _probing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def lacks(self) -> str:
        """Why no request can be served now; "" if they can."""
        if self.ending.is_set():
            return "this gateway is about to end"
        async with self._probing:
            if self._known is None or time.monotonic() - self._known[0] > _FRESH_S:
                self._known = (time.monotonic(), await self._probe())
            return self._known[1]

    async def _probe(self) -> str:
        try:
            async with asyncio.timeout(_PROBE_S):
                await self.client.workers()
        except StokerError as error:
            return error.message
        except TimeoutError:
            return f"Redis has not answered within {_PROBE_S:g} s"
        return ""
