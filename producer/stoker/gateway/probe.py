"""A check that many ask for, and that is made seldom: so that probes, which show no key, cost Redis little."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from ..errors import StokerError

_FRESH_S = 1.0
_CHECK_S = 2.0
_log = logging.getLogger(__name__)


class Probe:
    """Answers by what was known a second ago.

    Args:
        check: gives why requests cannot be served, for anybody to read; "" if they can.
    """

    def __init__(self, check: Callable[[], Awaitable[str]]) -> None:
        self._check = check
        self._known: tuple[float, str] | None = None
        self._checking = asyncio.Lock()

    async def lacks(self) -> str:
        """Why requests cannot be served; "" if they can."""
        async with self._checking:
            if self._known is None or time.monotonic() - self._known[0] > _FRESH_S:
                why = await self._checked()
                self._known = (time.monotonic(), why)
            return self._known[1]

    async def _checked(self) -> str:
        try:
            async with asyncio.timeout(_CHECK_S):
                return await self._check()
        except StokerError as error:
            # Where Redis is, and who logs in, is nothing for strangers.
            _log.warning("not ready: %s", error.message)
            return "Redis cannot be asked now: the gateway's log says why"
        except TimeoutError:
            return f"Redis has not answered within {_CHECK_S:g} s"
