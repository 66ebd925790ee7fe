"""What one gateway holds, for as long as it runs."""

import asyncio
from dataclasses import dataclass, field

from ..client.noting import NotingClient
from ..models.access import Access
from ..settings import Settings
from .auth.admission import Gate
from .auth.sessions import LoginLink
from .bodies import Room
from .probe import Probe
from .refusals import Refusal, Refusals
from .sse.feed import Feed

_BODIES_AT_ONCE = 4


@dataclass
class State:
    """What one gateway holds.

    Attributes:
        gate: admits requests.
        client: on which everything stands.
        access: the local files that submits may be checked against.
        login_link: lets in whoever started this gateway, once; None if they have a key.
        ending: whether the gateway takes no more work.
        room: for the bodies of all requests that are in hand.
        refusals: what was refused, for the audit.
        feed: what changes in all jobs.
    """

    settings: Settings
    gate: Gate
    client: NotingClient
    access: Access
    login_link: LoginLink | None = None
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    room: Room = field(init=False)
    refusals: Refusals = field(init=False)
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.room = Room(_BODIES_AT_ONCE * self.settings.gateway_body_bytes)
        self.feed = Feed(self.client)
        self._redis = Probe(self._ask)
        self.refusals = Refusals(self._note)

    async def lacks(self) -> str:
        """Why no request can be served now; "" if they can."""
        if self.ending.is_set():
            return "this gateway is about to end"
        return await self._redis.lacks()

    async def _note(self, refusal: Refusal) -> None:
        await self.client.note_refused(refusal.key, "the gateway", refusal.words)

    async def _ask(self) -> str:
        await self.client.workers()
        return ""
