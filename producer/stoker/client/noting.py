"""A client of a party that lets others in: the audit has who of them asked, and whom it does not let in."""

from collections.abc import Coroutine, Sequence
from typing import Any

from ..kinds import Priority
from ..ledger import model_changes, rates
from ..ledger.rates import Count
from ..models.manifest import ModelVersion
from ..redis.calls import drive_async
from ..security import audit
from ..settings import Settings
from . import arguments, asking
from .aio import AsyncClient
from .asking import EncodedAnswer
from .inference import ModelCache
from .model_keeping import alias_name, model_name
from .tables import Rows


class NotingClient(AsyncClient):
    """A client that notes what its party has refused; nothing is noted where the audit is off.

    It checks who has signed the models that are asked, too.
    """

    def __init__(self, *, settings: Settings) -> None:
        super().__init__(settings=settings)
        self._models = ModelCache(self._check_version)

    def known_model(self, ref: str) -> ModelVersion | None:
        """What `ask_encoded` takes a reference for; None where it will look that up."""
        return self._models.known(ref)

    async def newest_model(self, ref: str) -> ModelVersion:
        """What a reference names now, for which `ask_encoded` takes it from now on.

        Raises:
            ModelNotFound: there is none.
            Unavailable: Redis cannot be reached.
        """
        return await self._drive(self._models.newest(ref))

    def ask_encoded(
        self,
        model: str,
        rows: Rows,
        *,
        timeout: float,
        priority: Priority,
        key: str | None,
    ) -> Coroutine[Any, Any, EncodedAnswer]:
        """`ask`, for the outputs as they came."""
        steps = asking.ask_encoded(self._models, model, rows, timeout, priority, key)
        return drive_async(steps, self._answered)

    async def note_refused(self, who: str, about: str, text: str) -> None:
        """Note that something was refused.

        Args:
            who: who asked for it; "" where that is unknown.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        await self._run(audit.note("refused", who, about, text))

    async def alias_model_for(self, who: str, ref: str, alias: str) -> ModelVersion:
        """`alias_model`, on behalf of somebody.

        Args:
            who: the id of their key, which the audit and the model's history have.
        """
        return await self._drive(model_changes.alias(arguments.model_ref(ref), alias_name(alias), who))

    async def rollback_model_for(self, who: str, name: str, alias: str) -> ModelVersion:
        """`rollback_model`, on behalf of somebody; see `alias_model_for`."""
        return await self._drive(model_changes.roll_back(model_name(name), alias_name(alias), who))

    async def share_rates(self, gateway: str, counts: Sequence[Count]) -> list[int]:
        """Tell how many requests of keys a gateway has had; gives, for each count, how many the others have had.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        return await self._run(rates.share(gateway, counts))
