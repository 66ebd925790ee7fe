"""`stoker config`: each setting, its value and where that came from."""

import typer

from ..settings import Settings, sources
from .output import AsJson, print_json, say


def config(as_json: AsJson = False) -> None:
    """Show every setting, its value and where that came from; passwords are masked."""
    found = sources(Settings())
    if as_json:
        print_json({setting.name: {"value": setting.value, "origin": setting.origin} for setting in found})
        return
    for setting in found:
        say((setting.name, "bold"), f" = {setting.value}  ", (f"({setting.origin})", "cyan"))
        say((f"    {setting.description}", "dim"))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Running Stoker")(config)
