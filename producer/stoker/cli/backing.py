"""`stoker backup`, `restore`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..backup.contents import Backup
from ..backup.restoring import restore_backup
from ..backup.taking import take_backup
from ..settings import Settings
from ..terminal.amounts import size_text
from .bar import bar_of_bytes
from .output import AsJson, print_json, say, say_warning

_NAMED = 10


def backup(
    folder: Annotated[
        Path, typer.Argument(help="A folder that is new or empty, or has an earlier backup.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Copy all that Redis and the store hold into a folder, while jobs run.

    Into the folder of an earlier backup, or of one that was ended, it copies only what is missing. Keys and settings
    are not in it. Exit status: 1 if files of the store were damaged: they are left out, or stay as an earlier backup
    has them.
    """
    with bar_of_bytes("Redis") as bar:
        taken = take_backup(Settings(), folder, bar.show_of)
    if as_json:
        print_json(taken)
    else:
        _say(taken, f"{folder} has")
        _warn(taken.left_out, "is not what was once stored there, and is left out")
        _warn(taken.kept, "is not what was once stored there: what an earlier backup has of it stays")
    raise typer.Exit(int(bool(taken.left_out or taken.kept)))


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `stoker backup` has written.", show_default=False)],
    redis_folder: Annotated[
        Path | None,
        typer.Option(
            help="Where a Redis that does not run begins from: its `dir`. If not given, that of `stoker up`.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a backup into an empty store, and into the folder of a Redis server that does not run and has no data.

    It may be ended at any moment, and goes on when it is called again.
    """
    with bar_of_bytes("the store") as bar:
        restored = restore_backup(Settings(), folder, redis_folder, bar.show_of)
    if as_json:
        print_json(restored)
        return
    _say(restored, "Restored:")
    _warn(restored.left_out, "was left out of the backup, and is not there")
    say(f"Start {'the server' if redis_folder else '`stoker up`'} now: jobs that ran go on from their checkpoints.")


def _say(backup: Backup, before: str) -> None:
    say(
        f"{before} what {backup.server} held at {backup.at:%Y-%m-%d %H:%M:%S} UTC, and {backup.files:,} files of the "
        f"store with {size_text(backup.size)}"
    )
    if backup.encrypted:
        say("Some are encrypted, and the keys are not among them: keep a copy of these elsewhere.")


def _warn(names: Sequence[str], what: str) -> None:
    for name in names[:_NAMED]:
        say_warning(f"{name} {what}")
    if len(names) > _NAMED:
        say_warning(f"and {len(names) - _NAMED} more")
