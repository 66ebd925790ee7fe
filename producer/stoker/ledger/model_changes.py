"""Changes of the registry that people ask for: aliases, notes, names, and versions that go."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from ..errors import ModelInUse, ModelNotFound
from ..models.manifest import CHAMPION, ModelVersion
from ..models.retention import Removal, reasons_to_keep
from ..redis.calls import Call, Steps, Word
from ..redis.origin import origin
from . import registry
from .keys import key
from .model_uses import Uses, uses
from .scripts import script

# How often a removal or a new name is tried again, because jobs that may name the model came meanwhile.
_TRIES = 10
_WAIT = "wait until it has ended, or `stoker cancel` it"

Why = Literal["asked", "retention"]


def alias(ref: str, alias: str, who: str = "") -> Steps[ModelVersion]:
    """Point an alias at a version.

    Args:
        who: asked for it, such as the id of a key; "" where that is the Redis user of this connection.

    Raises:
        ModelNotFound: there is no such version.
        ModelInUse: the alias shares its requests with another version.
    """
    version: ModelVersion = yield registry.resolve(ref)
    answer: str = yield _moved("alias_model", version.name, alias, version.version, who=who)
    if answer == "version":
        raise ModelNotFound(
            f"{version.ref} was removed just now: `stoker models list` shows the versions that there are"
        )
    changed: ModelVersion = yield registry.resolve(version.ref)
    return changed


def drop_alias(name: str, alias: str) -> Steps[None]:
    """Take an alias away; its version stays.

    Raises:
        ModelNotFound: there is no such alias.
        ModelInUse: it shares its requests with another version.
    """
    answer: str = yield _moved("alias_model", name, alias, "")
    if answer == "alias":
        raise ModelNotFound(f"{name} has no alias {alias!r}: `stoker models list` shows those that there are")


def roll_back(name: str, alias: str = CHAMPION, who: str = "") -> Steps[ModelVersion]:
    """Point an alias at what it pointed at before.

    Args:
        who: see `alias`.

    Raises:
        ModelNotFound: it never pointed at another version that there still is.
        ModelInUse: it shares its requests with another version.
    """
    answer: str = yield _moved("rollback_model", name, alias, who=who)
    if answer == "none":
        # Raises where there is no such model, or alias.
        yield registry.resolve(f"{name}@{alias}")
        raise ModelNotFound(
            f"{name}@{alias} cannot go back: it has pointed at no other version that there still is; "
            f"`stoker models log {name}` shows how it moved, `stoker models alias` points it anywhere"
        )
    version: ModelVersion = yield registry.resolve(f"{name}@{alias}")
    return version


def note(ref: str, text: str) -> Steps[ModelVersion]:
    """Write a note on a version, in the place of the one that it has; an empty text takes that away.

    Raises:
        ModelNotFound: there is no such version.
    """
    version: ModelVersion = yield registry.resolve(ref)
    yield _changed("note_model", version.name, version.version, text)
    changed: ModelVersion = yield registry.resolve(version.ref)
    return changed


def remove(ref: str) -> Steps[tuple[str, ...]]:
    """Remove a version or, by its plain name, a model with all its versions and aliases; gives what went.

    Raises:
        ModelNotFound: there is no such model or version.
        ModelInUse: an alias, an unfinished job or another version needs one.
    """
    for _ in range(_TRIES):
        versions: list[ModelVersion] = yield registry.versions()
        going, is_whole = [version for version in versions if version.name == ref], True
        if not going:
            going, is_whole = [(yield registry.resolve(ref))], False
        name = going[0].name
        used: Uses = yield from uses(name)
        newest = max((version.version for version in versions if version.name == name), default=going[0].version)
        for version in going:
            job = used.any_job() if is_whole else used.job_of(version, version.version == newest)
            if job:
                raise ModelInUse(f"{name if is_whole else version.ref} is named by job {job}: {_WAIT}")
        answer: list[str] = yield _removed(name, going, used, with_aliases=is_whole)
        if answer[0] == "ok":
            return tuple(version.ref for version in going)
        if answer[0] in ("alias", "parent", "route"):
            raise _needed(name, answer)
    raise _busy(name)


def keep_versions(name: str, keep: int, why: Why = "asked", *, dry_run: bool = False) -> Steps[Removal]:
    """Remove the versions of a model but for the newest, those in use, and those that these were made from.

    Args:
        dry_run: whether to tell what would go, and remove nothing.

    Raises:
        ModelNotFound: there is no such model.
        ModelInUse: jobs that may name one come faster than they can be looked at.
    """
    for _ in range(_TRIES):
        versions: list[ModelVersion] = yield registry.versions()
        own = [version for version in versions if version.name == name]
        if not own:
            raise ModelNotFound(f"there is no model {name}: `stoker models list` shows all")
        used: Uses = yield from uses(name)
        reasons = reasons_to_keep(versions, name, keep, used.job_of)
        going = [version for version in own if version.ref not in reasons]
        kept = {version.ref: reasons[version.ref] for version in own[keep:] if version.ref in reasons}
        removal = Removal(removed=tuple(version.ref for version in going), kept=kept)
        if not going or dry_run:
            return removal
        answer: list[str] = yield _removed(name, going, used, why=why)
        if answer[0] == "ok":
            return removal
        if answer[0] == "route":
            raise _needed(name, answer)
    raise _busy(name)


def rename(
    name: str,
    new: str,
    sign: Callable[[str, str], str] = lambda _ref, document: document,
    check: registry.CheckVersion = lambda _ref, _document: None,
) -> Steps[list[ModelVersion]]:
    """Give a model another name, with its versions, aliases, notes and history; gives its versions.

    Args:
        sign: takes the exact reference of a version and its JSON, which it gives back signed.
        check: takes that reference and the JSON before, and raises what it has against them.

    Raises:
        ModelNotFound: there is no such model, or a version of it is damaged.
        ModelInUse: an unfinished job names it or the new name, or that is another model's.
    """
    change = _id()
    for _ in range(_TRIES):
        records: list[registry.Record] = yield registry.records()
        used: Uses = yield from uses(name)
        if job := used.any_job():
            raise ModelInUse(f"{name} is named by job {job}, which would not find it by another name: {_WAIT}")
        of_new: Uses = yield from uses(new)
        if job := of_new.any_job():
            raise ModelInUse(f"{new} is named by job {job}, which means another model by it: {_WAIT}")
        renamed = list(_renamed(records, name, new, sign, check))
        answer: str = yield _call("rename_model", (name, new, used.sequence, origin(), change, *renamed))
        if answer == "model":
            raise ModelNotFound(f"there is no model {name}: `stoker models list` shows all")
        if answer == "taken":
            raise ModelInUse(f"{new} is another model's name: choose one that is free, or remove that model first")
        if answer == "ok":
            versions: list[ModelVersion] = yield registry.versions()
            return [version for version in versions if version.name == new]
    raise _busy(name)


def _renamed(
    records: Sequence[registry.Record],
    name: str,
    new: str,
    sign: Callable[[str, str], str],
    check: registry.CheckVersion,
) -> Iterator[Word]:
    """The words of rename_model.lua for the versions that have the name in them, with the new one there.

    A field that only a newer version knows stays as it is.

    Raises:
        ModelNotFound: a version of the model is damaged.
    """
    for record in records:
        manifest = _manifest(record)
        of_parent, at, number = str(manifest.get("parent") or "").partition("@")
        if of_parent == name:
            manifest["parent"] = f"{new}{at}{number}"
        if record.model == name:
            if not manifest:
                raise ModelNotFound(
                    f"the record of {name}@{record.number} is damaged, so that its name cannot be changed: something "
                    f"else than Stoker has written to {key('model', name)}"
                )
            manifest["name"] = new
        elif of_parent != name:
            continue
        check(f"{record.model}@{record.number}", record.raw)
        # What was signed is the other name.
        manifest.pop("signed", None)
        document = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False)
        sha1 = hashlib.sha1(record.raw, usedforsecurity=False).hexdigest()
        ref = f"{new if record.model == name else record.model}@{record.number}"
        yield from (record.model, record.number, sha1, sign(ref, document))


def _manifest(record: registry.Record) -> dict[str, Any]:
    """The fields of a version; none if something else has been written there."""
    try:
        manifest = json.loads(record.raw)
    except (ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _id() -> str:
    return uuid.uuid4().hex


def _changed(name: str, model: str, *words: Word) -> Call[str]:
    return _call(name, (model, *words, origin(), _id()))


def _moved(name: str, model: str, alias: str, *words: Word, who: str = "") -> Call[str]:
    """A change of an alias.

    Raises:
        ModelInUse: a job has a route for it.
    """
    changed = _call(name, (model, alias, *words, who or origin(), _id(), who))

    def decode(answer: bytes) -> str:
        said, _, job = changed.decode(answer).partition(" ")
        if said == "route":
            raise ModelInUse(
                f"{model}@{alias} shares its requests with another version, by job {job}, which alone moves it: "
                f"wait until that has ended, or `stoker cancel {job}`"
            )
        return said

    return Call(changed.words, decode, changed.script)


def _call(name: str, words: tuple[Word, ...]) -> Call[str]:
    return Call(words, lambda answer: answer.decode(), script(name))


def _removed(
    name: str, versions: Sequence[ModelVersion], used: Uses, *, why: Why = "asked", with_aliases: bool = False
) -> Call[list[str]]:
    # All of a model, also what cannot be read of it.
    numbers = [] if with_aliases else [version.version for version in versions]
    words: tuple[Word, ...] = (name, int(with_aliases), used.sequence, why, origin(), _id(), *numbers)

    def decode(answer: list[Any]) -> list[str]:
        return [word.decode() for word in answer]

    return Call(words, decode, script("remove_versions"))


def _needed(name: str, answer: Sequence[str]) -> ModelInUse:
    what, first, second, *job = answer
    if what == "route":
        return ModelInUse(f"{name}@{first} has a share of the requests to {name}@{second}, by job {job[0]}: {_WAIT}")
    if what == "alias":
        return ModelInUse(
            f"{name}@{first} is what {name}@{second} points at: move or drop that first, by `stoker models alias`"
        )
    return ModelInUse(f"{first} is what {second} was made from: remove that first")


def _busy(name: str) -> ModelInUse:
    return ModelInUse(f"jobs that may name {name} are being submitted all the time: try again in a moment")
