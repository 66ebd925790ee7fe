"""Limits of keys over all gateways: each tells the others once a second what it has let in."""

import asyncio
import logging
import secrets

from ...client.noting import NotingClient
from ...errors import StokerError
from .rates import Rates

# So much more than its limit a key gets of several gateways: what each lets in meanwhile.
EVERY_S = 1.0
_log = logging.getLogger(__name__)


async def share(rates: Rates, client: NotingClient) -> None:
    """Share what is counted, until this is cancelled; while Redis is away each gateway counts for itself."""
    gateway = secrets.token_hex(8)
    is_away = False
    while True:
        await asyncio.sleep(EVERY_S)
        if not (counts := rates.unshared()):
            continue
        try:
            others = await client.share_rates(gateway, counts)
        except StokerError as error:
            if not is_away:
                _log.warning("limits of keys are counted by this gateway alone for now: %s", error.message)
            is_away = True
        else:
            is_away = False
            rates.learn(counts, others)
