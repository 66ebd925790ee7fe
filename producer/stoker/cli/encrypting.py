"""`stoker files new-key`, `reencrypt`: keys of artifacts, and their change."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from ..errors import InvalidArgument
from ..models.encryption import key_id, new_key
from ..models.store.reencrypting import Reencrypting
from ..settings import Settings
from ..terminal.amounts import size_text
from .output import AsJson, console_aside, print_json, say

_SHOWN = 10


def make_key(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that does not exist yet.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write a new age identity to a file for its owner alone; prints its public key."""
    try:
        public = new_key(path)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error.strerror}; name a file that does not exist") from None
    if as_json:
        print_json({"path": str(path), "public_key": public, "id": key_id(public)})
    else:
        say(f"{public}  (id {key_id(public)})")


def reencrypt(as_json: AsJson = False) -> None:
    """Encrypt what the store has for the present keys: what is plain, and what was encrypted for others.

    It may be ended at any moment, and goes on when it is called again. Exit status: 1 if something cannot be decrypted.
    """
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = console_aside()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reencrypt", total=None)
        done = Reencrypting(Settings().store_place).reencrypt(
            lambda folders, total: bar.update(task, completed=folders, total=total)
        )
    if as_json:
        print_json(
            {
                "encrypted": done.files,
                "bytes": done.size,
                "removed": done.removed,
                "right": done.right,
                "failures": done.failures,
            }
        )
    else:
        say(
            f"{done.files} artifacts with {size_text(done.size)} were encrypted, {done.right} were right; "
            f"{done.removed} old files were removed"
        )
        for failure in done.failures[:_SHOWN]:
            say((failure, "red"))
        if len(done.failures) > _SHOWN:
            say((f"and {len(done.failures) - _SHOWN} more", "red"))
    raise typer.Exit(int(bool(done.failures)))
