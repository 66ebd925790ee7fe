"""`stoker config`: each setting, its value and where that came from."""

import typer
from rich.markup import escape

from ..settings import Settings, sources
from .output import AsJson, console, print_json


def config(as_json: AsJson = False) -> None:
    """Show every setting, its value and where that came from; passwords are masked."""
    found = sources(Settings())
    if as_json:
        print_json({setting.name: {"value": setting.value, "origin": setting.origin} for setting in found})
        return
    for setting in found:
        console().print(
            f"[bold]{setting.name}[/] = {escape(setting.value)}  [cyan]({escape(setting.origin)})[/]", soft_wrap=True
        )
        console().print(f"    [dim]{escape(setting.description)}[/]", soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Running Stoker")(config)
