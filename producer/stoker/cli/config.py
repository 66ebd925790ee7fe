"""`stoker config`: each setting, its value and where that came from."""

from ..settings import Settings, all_settings
from .output import AsJson, print_json, say


def config(as_json: AsJson = False) -> None:
    """Show every setting, its value and where that came from; passwords are masked."""
    settings = all_settings(Settings())
    if as_json:
        print_json({setting.name: {"value": setting.value, "origin": setting.origin} for setting in settings})
        return
    for setting in settings:
        say((setting.name, "bold"), f" = {setting.value}  ", (f"({setting.origin})", "cyan"))
        say((f"    {setting.description}", "dim"))
