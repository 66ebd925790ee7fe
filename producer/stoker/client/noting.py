"""A client of a party that lets others in, and notes in the audit whom it does not."""

from ..security import audit
from .aio import AsyncClient


class NotingClient(AsyncClient):
    """A client that notes what its party has refused; nothing is noted where the audit is off."""

    async def note_refused(self, who: str, about: str, text: str) -> None:
        """Note that something was refused.

        Args:
            who: who asked for it; "" where that is unknown.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        await self._run(audit.note("refused", who, about, text))
