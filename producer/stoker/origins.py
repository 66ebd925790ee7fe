"""Where settings come from besides arguments: STOKER_… variables, a folder of secrets, and stoker.toml."""

import os
import tomllib
from collections.abc import Container
from pathlib import Path
from typing import Any

from .errors import InvalidSettings

PREFIX = "STOKER_"
_CONFIG = "STOKER_CONFIG"
_SECRETS = "STOKER_SECRETS_DIR"


def variable(name: str) -> str:
    """The variable that holds a setting."""
    return PREFIX + name.upper()


def origin_of(name: str, arguments: Container[str]) -> str:
    """Where a setting's value came from, as `Settings.origin` tells it, unless it is the default."""
    if name in arguments:
        return "argument"
    named = variable(name)
    # Variables and files are found in any case, as pydantic-settings finds them.
    if named in map(str.upper, os.environ):
        return f"environment: {named}"
    folder = secrets_folder()
    for path in folder.iterdir() if folder else ():
        if path.name.upper() == named:
            return f"secret: {path}"
    return f"stoker.toml: {config_file()}"


def secrets_folder() -> Path | None:
    """The folder of files that hold one setting each, as Docker and Kubernetes mount secrets."""
    folder = os.environ.get(_SECRETS)
    if folder and not Path(folder).is_dir():
        raise InvalidSettings(f"{folder} is no folder: check {_SECRETS}")
    return Path(folder) if folder else None


def config_file() -> Path:
    """The settings file, there or not."""
    return Path(os.environ.get(_CONFIG) or "stoker.toml").expanduser().absolute()


def read(path: Path) -> dict[str, Any]:
    """The file's content; nothing if there is none and none was asked for."""
    if not os.environ.get(_CONFIG) and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(f"the settings file cannot be read: {error}; check {_CONFIG}") from error
    except ValueError as error:
        raise InvalidSettings(f"{path} is not TOML: {error}; write each setting as key = value") from error
