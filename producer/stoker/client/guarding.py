"""Guards of models: what requests and answers must be."""

from ..errors import InvalidArgument
from ..kinds.problems import short
from ..ledger import guards, registry
from ..ledger.guards import Guarded
from ..models.guard import Guard, names_of
from ..models.manifest import ModelVersion
from ..redis.calls import Steps
from . import arguments
from .calls import AsyncCalls, Calls


class GuardCalls(Calls):
    """A part of the blocking client."""

    def guard_model(self, model: str, guard: Guard | None) -> Guarded:
        """Set a model's guard, in the place of the one that it has; None takes it away, with what it has refused.

        It holds for all versions and aliases, a second later: for requests one by one, and bulk predictions.

        Raises:
            ModelNotFound: there is no such model.
            InvalidArgument: it names columns that the model's champion does not take.
            Unauthorized: the client's user may not write it.
        """
        return self._drive(_put(model, guard))

    def guarded(self, model: str, limit: int = 20) -> Guarded:
        """A model's guard, how much it has refused, and the newest rows of that.

        Args:
            limit: how many rows to give, at most.
        """
        return self._drive(guards.guarded(_name(model), arguments.limit(limit)))


class AsyncGuardCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def guard_model(self, model: str, guard: Guard | None) -> Guarded:
        """See `Client.guard_model`."""
        return await self._drive(_put(model, guard))

    async def guarded(self, model: str, limit: int = 20) -> Guarded:
        """See `Client.guarded`."""
        return await self._drive(guards.guarded(_name(model), arguments.limit(limit)))


def _put(model: object, guard: object) -> Steps[Guarded]:
    name = _name(model)
    if guard is None:
        yield guards.drop(name)
        return Guarded(model=name)
    if not isinstance(guard, Guard):
        raise InvalidArgument(f"a guard is a stoker.Guard, got {short(guard)}")
    champion: ModelVersion = yield registry.resolve(name)
    versions: list[ModelVersion] = yield registry.versions()
    # All that answer to some alias: a canary's requests are held against it, too.
    for version in (champion, *(each for each in versions if each.name == name and each.aliases)):
        if unknown := guard.unknown(version.signature):
            known = ", ".join(names_of(version.signature.inputs)[:20])
            raise InvalidArgument(
                f"{version.ref} takes no {', '.join(unknown)} of that type: ranges are of numbers, categories of "
                f"texts; it takes {known}"
            )
    yield guards.put(name, guard)
    return (yield from guards.guarded(name, 1))


def _name(model: object) -> str:
    name, at, _ = arguments.model_ref(model).partition("@")
    if at:
        raise InvalidArgument(f"a guard is of a model, whatever its version: name it as {name!r}")
    return name
