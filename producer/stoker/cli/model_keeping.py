"""`stoker models alias`, `rollback`, `note`, `rm`, `rename`, `keep`, `log`: keeping the registry in order."""

from typing import Annotated

import typer

from ..client.blocking import Client
from ..ledger.model_log import ModelChange
from ..models.manifest import CHAMPION, ModelVersion
from ..models.retention import Removal
from ..terminal.amounts import ago
from .asking import Yes, ask
from .model_export import models
from .models import Ref
from .output import AsJson, Styled, draw, print_json, say
from .table import Table

__all__ = ["models"]

# How many references a question names.
_NAMED = 10

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name.", show_default=False)]
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="Such as champion or canary.", show_default=False)]


@models.command("alias")
def move_alias(
    ref: Ref,
    alias: Alias,
    drop: Annotated[bool, typer.Option("--drop", help="Take the alias away from the model MODEL instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Point an alias at a version: a plain model name means its champion."""
    with Client() as client:
        if not drop:
            _show(client.alias_model(ref, alias), as_json)
            return
        client.drop_alias(ref, alias)
    if as_json:
        print_json({"dropped": f"{ref}@{alias}"})
    else:
        say(f"{ref}@{alias} is no more")


@models.command()
def rollback(name: Name, alias: Alias = CHAMPION, as_json: AsJson = False) -> None:
    """Point an alias at what it pointed at before; again, at what it pointed at before that."""
    with Client() as client:
        _show(client.rollback_model(name, alias), as_json)


@models.command()
def note(
    ref: Ref,
    text: Annotated[str, typer.Argument(help="What to note; '' takes a note away.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write a note on a version, in the place of the one that it has."""
    with Client() as client:
        _show(client.note_model(ref, text), as_json)


@models.command()
def rm(ref: Ref, yes: Yes = False, as_json: AsJson = False) -> None:
    """Remove a version (digits@3), or a model with all its versions and aliases (digits).

    What an alias points at, a job that has not ended names, or a version that stays was made from, is not removed.
    """
    with Client() as client:
        of_model = [version for version in client.models() if version.name == ref]
        going = of_model or [client.model(ref)]
        aliases = [f"{version.name}@{alias}" for version in of_model for alias in version.aliases]
        what = _listed([version.ref for version in going])
        ask(f"Remove {what}{' with ' if aliases else ''}{_listed(aliases)}?", yes=yes)
        removed = client.remove_model(ref)
    if as_json:
        print_json({"removed": removed})
    else:
        say(f"removed: {_listed(removed)}")


@models.command()
def rename(
    name: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Give a model another name: versions, aliases, notes and history move along."""
    with Client() as client:
        versions = client.rename_model(name, new)
    if as_json:
        print_json(versions)
    else:
        say(f"{name} is now {new}, with {len(versions)} versions")


@models.command()
def keep(
    name: Name,
    count: Annotated[int, typer.Argument(metavar="COUNT", help="How many of the newest stay.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and remove nothing.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a model's versions but for its newest, those in use, and those that these were made from."""
    with Client() as client:
        removal = client.keep_versions(name, count, dry_run=True)
        if removal.removed and not dry_run:
            ask(f"Remove {_listed(removal.removed)}?", yes=yes)
            removal = client.keep_versions(name, count)
    if as_json:
        print_json(removal)
    else:
        _show_removal(removal, "would go" if dry_run else "is removed")


@models.command()
def log(name: Name, as_json: AsJson = False) -> None:
    """List how a model has changed, and by whom; the newest change first."""
    with Client() as client:
        changes = client.model_changes(name)
    if as_json:
        print_json(changes)
    elif changes:
        draw(Table(["when", "what", "by"], map(_row, changes), cut=["what", "by"]))
    else:
        say(f"nothing is known of {name}: `stoker models list` shows the models that there are")


def _show(version: ModelVersion, as_json: bool) -> None:
    if as_json:
        print_json(version)
    else:
        say((version.ref, "bold"), f"  {', '.join(version.aliases)}", f"  {version.note}" if version.note else "")


def _show_removal(removal: Removal, done: str) -> None:
    for ref in removal.removed:
        say((ref, "bold"), f" {done}")
    for ref, why in removal.kept.items():
        say((ref, "bold"), f" stays: {why}")
    if not removal.removed:
        say("nothing goes" if done == "would go" else "nothing was removed")


def _row(change: ModelChange) -> list[Styled]:
    return [ago(change.at), change.words(), change.by]


def _listed(refs: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else ""
    return ", ".join(refs[:_NAMED]) + more
