"""The sources of settings besides arguments: STOKER_… variables, a folder of secrets, stoker.toml and local.toml."""

import json
import os
import tomllib
from collections.abc import Container
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .errors import InvalidSettings

PREFIX = "STOKER_"
_CONFIG = "STOKER_CONFIG"
_SECRETS = "STOKER_SECRETS_DIR"
_LOCAL = "local.toml"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def as_text(value: object) -> str:
    """A value as its environment variable has it: `listed`, `pairs` and `tables` read it again."""
    if value is None:
        return ""
    if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
        return ",".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, dict):
        return json.dumps({name: _table(each) for name, each in value.items()})
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _table(value: object) -> object:
    """A table of the settings file as plain data; a list as it is."""
    return value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else value


def listed(value: object) -> object:
    """The values of a list; text of an environment variable is split at its commas."""
    return _parts(value) if isinstance(value, str) else value


def pairs(value: object) -> object:
    """The values of a dict by name; text of an environment variable is split at commas, then at the first =."""
    if not isinstance(value, str):
        return value
    parts = [part.partition("=") for part in _parts(value)]
    if wrong := next((name for name, equals, _ in parts if not equals), None):
        raise ValueError(f"expected name=value, with commas between several; {wrong!r} has no =")
    return {name.strip(): each.strip() for name, _, each in parts}


def tables(value: object) -> object:
    """The tables of a dict; text of an environment variable is parsed as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "{}")
    except ValueError:
        raise ValueError('expected JSON such as {"default": {"running": 4}}') from None


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def origin_of(name: str, arguments: Container[str]) -> str:
    """The source of a setting that is not the default, as `Settings.origin` gives it."""
    if name in arguments:
        return "argument"
    variable_name = variable(name)
    # The case of variables and files does not matter, as in pydantic-settings.
    if variable_name in map(str.upper, os.environ):
        return f"environment: {variable_name}"
    folder = secrets_folder()
    for path in folder.iterdir() if folder else ():
        if path.name.upper() == variable_name:
            return f"secret: {path}"
    return f"stoker.toml: {config_file()}" if name in read(config_file()) else f"{_LOCAL} of the home folder"


def secrets_folder() -> Path | None:
    """The folder of secrets, as Docker and Kubernetes mount them: a file for each setting."""
    folder = os.environ.get(_SECRETS)
    if folder and not Path(folder).is_dir():
        raise InvalidSettings(f"{folder} is no folder: check {_SECRETS}")
    return Path(folder) if folder else None


def sources(home: Path) -> object:
    """All that settings come from besides arguments, as it is now: it equals what it was as long as they are the same.

    To compare it takes far less than to read and check all settings.

    Args:
        home: of the local server, whose local.toml counts, too.
    """
    folder = secrets_folder()
    files = [config_file(), local_file(home), *(sorted(folder.iterdir()) if folder else ())]
    return dict(os.environ), {path: _content(path) for path in files}


def _content(path: Path) -> bytes | None:
    """A file's content; None if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def config_file() -> Path:
    """The path of the settings file, which need not exist."""
    return Path(os.environ.get(_CONFIG) or "stoker.toml").expanduser().absolute()


def local_file(home: Path) -> Path:
    """The path of the settings that go with the local server of a home, which need not exist."""
    return home.expanduser().absolute() / _LOCAL


def read(path: Path) -> dict[str, Any]:
    """The content of a settings file; empty if it does not exist and STOKER_CONFIG does not name it."""
    named = os.environ.get(_CONFIG)
    if not (named and path == config_file()) and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        check = _CONFIG if named else "who may read it"
        raise InvalidSettings(f"the settings file cannot be read: {error}; check {check}") from error
    except ValueError as error:
        raise InvalidSettings(f"{path} is not TOML: {error}; write each setting as key = value") from error
