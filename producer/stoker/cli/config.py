"""`stoker config`: each setting, its value and where that came from."""

from ..settings import Settings
from .output import AsJson, print_json, say


def config(as_json: AsJson = False) -> None:
    """Show every setting, its value and where that came from; passwords are masked."""
    settings = Settings()
    if as_json:
        names = Settings.model_fields
        print_json({name: {"value": settings.shown(name), "origin": settings.origin(name)} for name in names})
        return
    for name, field in Settings.model_fields.items():
        say((name, "bold"), f" = {settings.shown(name)}  ", (f"({settings.origin(name)})", "cyan"))
        say((f"    {field.description}", "dim"))
