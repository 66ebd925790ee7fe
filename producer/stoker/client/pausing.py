"""Pausing queues and tenants, and what is paused."""

from ..errors import InvalidArgument
from ..fleet.topology import queues
from ..kinds.base import LONGEST_TAG
from ..kinds.problems import short
from ..ledger import pauses
from ..ledger.pauses import Paused
from . import arguments
from .calls import AsyncCalls, Calls


class PauseCalls(Calls):
    """A part of the blocking client."""

    def pause_queue(self, queue: str) -> bool:
        """Let a queue hand out no more jobs: those that run go on, others wait, and new ones may come.

        Args:
            queue: such as "cpu.train".

        Returns:
            Whether that has changed anything: it may have been paused before.

        Raises:
            InvalidArgument: there is no such queue.
            Unauthorized: the client's user may not; it takes one who may write to `stoker:pauses`.
        """
        return self._run(pauses.set_paused("queue", _queue(queue), paused=True))

    def resume_queue(self, queue: str) -> bool:
        """Let a paused queue go on, its jobs in the order in which they would have come. See `pause_queue`."""
        return self._run(pauses.set_paused("queue", _queue(queue), paused=False))

    def pause_tenant(self, tenant: str) -> bool:
        """Let no more jobs of a tenant start, on any queue; "" stands for jobs without a tenant. See `pause_queue`."""
        return self._run(pauses.set_paused("tenant", _tenant(tenant), paused=True))

    def resume_tenant(self, tenant: str) -> bool:
        """Let a paused tenant go on. See `resume_queue`."""
        return self._run(pauses.set_paused("tenant", _tenant(tenant), paused=False))

    def paused(self, limit: int = 10) -> Paused:
        """What is paused: queues, tenants, and jobs, of which at most `limit` are named."""
        return self._run(pauses.paused(arguments.limit(limit)))


class AsyncPauseCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def pause_queue(self, queue: str) -> bool:
        """See `Client.pause_queue`."""
        return await self._run(pauses.set_paused("queue", _queue(queue), paused=True))

    async def resume_queue(self, queue: str) -> bool:
        """See `Client.resume_queue`."""
        return await self._run(pauses.set_paused("queue", _queue(queue), paused=False))

    async def pause_tenant(self, tenant: str) -> bool:
        """See `Client.pause_tenant`."""
        return await self._run(pauses.set_paused("tenant", _tenant(tenant), paused=True))

    async def resume_tenant(self, tenant: str) -> bool:
        """See `Client.resume_tenant`."""
        return await self._run(pauses.set_paused("tenant", _tenant(tenant), paused=False))

    async def paused(self, limit: int = 10) -> Paused:
        """See `Client.paused`."""
        return await self._run(pauses.paused(arguments.limit(limit)))


def _queue(value: object) -> str:
    if value not in queues():
        raise InvalidArgument(f"there is no queue {short(value)}: the queues are {', '.join(queues())}")
    return str(value)


def _tenant(value: object) -> str:
    return arguments.text(value, "a tenant", LONGEST_TAG)
