"""Keeping the registry in order: aliases, notes, names, and versions that are needed no more."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import InvalidArgument
from ..kinds.problems import short
from ..lanes import failures
from ..ledger import model_changes, model_log
from ..ledger.registry import CheckVersion
from ..models.manifest import CHAMPION, Alias, ModelName, ModelVersion
from ..models.retention import Removal
from ..redis.calls import Steps
from . import arguments
from .calls import AsyncCalls, Calls
from .inference import ModelCache

T = TypeVar("T")
_NAME: TypeAdapter[str] = TypeAdapter(ModelName)
_ALIAS: TypeAdapter[str] = TypeAdapter(Alias)
_LONGEST_NOTE = 2_000
_MOST_KEPT = 1_000_000


class ModelKeepingCalls(Calls):
    """What a client does with registered models.

    Redis may forbid it to the user of a client, as config/users.acl does: then each method raises `Unauthorized`, and
    an operator does it.
    """

    _models: ModelCache

    def alias_model(self, ref: str, alias: str) -> ModelVersion:
        """Point an alias at a version, at once: predictions follow within a second.

        Args:
            ref: a model reference, such as "digits@3" or "digits@latest".
            alias: up to 32 small letters, digits, ".", "_" and "-"; a plain model name means its "champion".

        Returns:
            The version, with all of its aliases.

        Raises:
            ModelNotFound: there is no such version.
        """
        return self._drive(model_changes.alias(arguments.model_ref(ref), alias_name(alias)))

    def drop_alias(self, name: str, alias: str) -> None:
        """Take an alias of a model away; the version stays.

        Raises:
            ModelNotFound: the model has no such alias.
        """
        self._drive(model_changes.drop_alias(model_name(name), alias_name(alias)))

    def rollback_model(self, name: str, alias: str = CHAMPION) -> ModelVersion:
        """Point an alias at what it pointed at before; called again, at what it pointed at before that.

        Raises:
            ModelNotFound: it has pointed at no other version that there still is.
        """
        return self._drive(model_changes.roll_back(model_name(name), alias_name(alias)))

    def note_model(self, ref: str, text: str) -> ModelVersion:
        """Write a note on a version, in the place of the one that it has; an empty text takes that away.

        Args:
            text: up to 2,000 characters.

        Raises:
            ModelNotFound: there is no such version.
        """
        return self._drive(model_changes.note(arguments.model_ref(ref), _note(text)))

    def remove_model(self, ref: str) -> tuple[str, ...]:
        """Remove a version ("digits@3"), or a model with all of its versions and aliases ("digits").

        Predictions by it are refused with `ModelNotFound` within a second. Its files go with the next clean-up of the
        store, a day later at the earliest.

        Returns:
            The references of what was removed.

        Raises:
            ModelNotFound: there is no such version or model.
            ModelInUse: an alias points at the version, a job that has not ended names it, or a version that stays was
                made from it. Nothing was removed.
        """
        return self._drive(_removed(self._models, arguments.model_ref(ref)))

    def rename_model(self, name: str, new: str) -> list[ModelVersion]:
        """Give a model another name: its versions with their numbers, aliases, notes and history move along.

        Returns:
            Its versions, the newest first.

        Raises:
            ModelNotFound: there is no such model.
            ModelInUse: a job that has not ended names it or the new name, or another model has that. Nothing was
                changed.
        """
        return self._drive(
            _renamed(self._models, model_name(name), model_name(new), self._sign_version, self._check_version)
        )

    def keep_versions(self, name: str, keep: int, *, dry_run: bool = False) -> Removal:
        """Remove all versions of a model but for its newest, and for those that are in use.

        In use is what an alias points at or a job that has not ended names, and what one that stays was made from.

        Args:
            keep: how many of the newest versions stay in any case.
            dry_run: whether to tell what would be removed, and remove nothing.

        Raises:
            ModelNotFound: there is no such model.
        """
        return self._drive(_kept(self._models, model_name(name), _keep(keep), arguments.flag(dry_run, "dry_run")))

    def model_changes(self, name: str) -> list[model_log.ModelChange]:
        """How a model has changed and by whom, the newest change first, up to 1,000; also of one removed lately."""
        return self._run(model_log.changes(model_name(name)))


class AsyncModelKeepingCalls(AsyncCalls):
    """`ModelKeepingCalls` as coroutines."""

    _models: ModelCache

    async def alias_model(self, ref: str, alias: str) -> ModelVersion:
        """See `Client.alias_model`."""
        return await self._drive(model_changes.alias(arguments.model_ref(ref), alias_name(alias)))

    async def drop_alias(self, name: str, alias: str) -> None:
        """See `Client.drop_alias`."""
        await self._drive(model_changes.drop_alias(model_name(name), alias_name(alias)))

    async def rollback_model(self, name: str, alias: str = CHAMPION) -> ModelVersion:
        """See `Client.rollback_model`."""
        return await self._drive(model_changes.roll_back(model_name(name), alias_name(alias)))

    async def note_model(self, ref: str, text: str) -> ModelVersion:
        """See `Client.note_model`."""
        return await self._drive(model_changes.note(arguments.model_ref(ref), _note(text)))

    async def remove_model(self, ref: str) -> tuple[str, ...]:
        """See `Client.remove_model`."""
        return await self._drive(_removed(self._models, arguments.model_ref(ref)))

    async def rename_model(self, name: str, new: str) -> list[ModelVersion]:
        """See `Client.rename_model`."""
        return await self._drive(
            _renamed(self._models, model_name(name), model_name(new), self._sign_version, self._check_version)
        )

    async def keep_versions(self, name: str, keep: int, *, dry_run: bool = False) -> Removal:
        """See `Client.keep_versions`."""
        return await self._drive(_kept(self._models, model_name(name), _keep(keep), arguments.flag(dry_run, "dry_run")))

    async def model_changes(self, name: str) -> list[model_log.ModelChange]:
        """See `Client.model_changes`."""
        return await self._run(model_log.changes(model_name(name)))


def _removed(cache: ModelCache, ref: str) -> Steps[tuple[str, ...]]:
    removed = yield from model_changes.remove(ref)
    yield from _forgotten(cache, removed)
    return removed


def _renamed(
    cache: ModelCache, name: str, new: str, sign: Callable[[str, str], str], check: CheckVersion
) -> Steps[list[ModelVersion]]:
    renamed = yield from model_changes.rename(name, new, sign, check)
    yield from _forgotten(cache, [f"{name}@{version.version}" for version in renamed])
    return renamed


def _kept(cache: ModelCache, name: str, keep: int, dry_run: bool) -> Steps[Removal]:
    removal = yield from model_changes.keep_versions(name, keep, dry_run=dry_run)
    if removal.removed and not dry_run:
        yield from _forgotten(cache, removal.removed)
    return removal


def _forgotten(cache: ModelCache, refs: Sequence[str]) -> Steps[None]:
    """Forgets what is known of versions that there are no more under these references."""
    cache.clear()
    if refs:
        yield failures.forget(refs)


def model_name(value: object) -> str:
    return _valid(
        _NAME, value, "a model's name is 1 to 64 small letters, digits, '.', '_' and '-', without @ and a version"
    )


def alias_name(value: object) -> str:
    return _valid(
        _ALIAS,
        value,
        "an alias is a small letter and up to 31 more small letters, digits, '.', '_' and '-', and not 'latest', "
        "which is always the newest version",
    )


def _valid(kind: TypeAdapter[str], value: object, expected: str) -> str:
    try:
        return kind.validate_python(value, strict=True)
    except ValidationError:
        raise InvalidArgument(f"{expected}; got {short(value)}") from None


def _note(value: object) -> str:
    return arguments.text(value, "a note", _LONGEST_NOTE)


def _keep(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_KEPT:
        raise InvalidArgument(f"keep is how many versions stay, a whole number from 1 on, got {short(value)}")
    return value
