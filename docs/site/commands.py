"""The reference of the command line, made of the `stoker` command itself."""

from collections.abc import Iterator, Mapping
from typing import Protocol, cast

import typer.main

from stoker.cli import app

from .docstrings import described

_HEAD = """Each command says this by `--help`, and has `--json` where it prints something: JSON and nothing else. Exit
status: 0 ok, 1 the job or check failed, 2 bad usage or settings, 3 unreachable."""


class Parameter(Protocol):
    """An argument or option, as typer has it."""

    name: str
    opts: list[str]
    secondary_opts: list[str]
    param_type_name: str
    required: bool
    default: object
    help: str | None
    hidden: bool
    is_flag: bool


class Command(Protocol):
    """A command, as typer has it; one with commands of its own has them in `commands`."""

    help: str | None
    params: list[Parameter]
    rich_help_panel: object
    commands: Mapping[str, "Command"]


def page() -> str:
    """The page of all commands."""
    root = cast("Command", typer.main.get_command(app))
    parts = ["# The command line", _HEAD]
    panels: dict[str, list[tuple[str, Command]]] = {}
    for name, command in root.commands.items():
        panels.setdefault(str(command.rich_help_panel), []).append((name, command))
    for panel, commands in panels.items():
        parts.append(f"## {panel}")
        for name, command in commands:
            parts += _command(f"stoker {name}", command)
    return "\n\n".join(part for part in parts if part) + "\n"


def _command(path: str, command: Command) -> Iterator[str]:
    yield f"### {path}"
    yield f"```console\n$ {_usage(path, command)}\n```"
    yield (command.help or "").replace("\n\n\n", "\n\n")
    shown = [parameter for parameter in command.params if parameter.help and not getattr(parameter, "hidden", False)]
    yield described([(_term(parameter), f"{parameter.help}{_default(parameter)}") for parameter in shown])
    for name, below in getattr(command, "commands", {}).items():
        yield from _command(f"{path} {name}", below)


def _usage(path: str, command: Command) -> str:
    words = [path]
    if any(parameter.opts[0].startswith("-") for parameter in command.params):
        words.append("[OPTIONS]")
    for parameter in command.params:
        if not parameter.opts[0].startswith("-"):
            name = parameter.name.upper() + ("..." if getattr(parameter, "nargs", 1) == -1 else "")
            words.append(name if parameter.required else f"[{name}]")
    if getattr(command, "commands", None):
        words.append("COMMAND")
    return " ".join(words)


def _term(parameter: Parameter) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    if not parameter.opts[0].startswith("-"):
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in names)


def _default(parameter: Parameter) -> str:
    is_said = parameter.default in (None, "", False, ()) or getattr(parameter, "is_flag", False)
    return "" if is_said or parameter.required else f" Default: `{parameter.default}`."
