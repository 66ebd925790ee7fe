"""Asking before something goes that does not come back."""

import sys
from typing import Annotated

import typer

from ..errors import InvalidArgument

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def ask(question: str, *, yes: bool) -> None:
    """Go on if whoever sits at the terminal agrees, or has agreed by --yes; else end the command with status 1.

    The question goes to stderr, so that stdout stays a program's.

    Raises:
        InvalidArgument: nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidArgument(f"{question} Nobody is there to be asked: give --yes to do it")
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise typer.Exit(1)
