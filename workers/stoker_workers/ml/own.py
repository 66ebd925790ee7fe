"""Functions of a job's author, which the worker's settings allow by name."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from stoker.errors import InvalidJob
from stoker.functions import JobFunction


def own_function(path: str, allowed: Sequence[str], what: str, setting: str) -> Callable[..., Any]:
    """The function behind "package.module:function".

    Args:
        allowed: those that the settings list.
        what: what it is to be, for messages.
        setting: the field of the settings that lists them.

    Raises:
        InvalidJob: it is not allowed, or cannot be imported.
    """
    if path not in allowed:
        raise _refusal(path, what, setting)
    function: Callable[..., Any] = _imported(path, what)
    return function


def own_job(path: str, allowed: Sequence[str]) -> Callable[..., object]:
    """The function behind "package.module:function" that is to be a job.

    Where the settings list all of a module, these are its functions without an underscore: those that are written in
    it, and those that it has from elsewhere and are decorated by `stoker.job`. So none that it only uses.

    Args:
        allowed: what the settings list: functions, and "package.module:*".

    Raises:
        InvalidJob: it is not allowed, cannot be imported, or is no function.
    """
    module, _, name = path.partition(":")
    if path not in allowed and (f"{module}:*" not in allowed or name.startswith("_")):
        raise _refusal(path, "function", "functions")
    found = _imported(path, "function")
    if isinstance(found, JobFunction):
        return found.function
    if not inspect.isfunction(found):
        raise InvalidJob(f"{path} is no function, but of the type {type(found).__name__}: name a function")
    if path not in allowed and found.__module__ != module:
        raise InvalidJob(
            f"{path} is a function of {found.__module__}, which {module} only uses, and {module}:* allows those that "
            "are written in it or decorated by stoker.job; to allow it, add it by name to `functions` in the worker's "
            "stoker.toml or STOKER_FUNCTIONS"
        )
    return found


def _refusal(path: str, what: str, setting: str) -> InvalidJob:
    return InvalidJob(
        f"this worker does not run the {what} {path!r}; to allow it, add it to `{setting}` in the worker's "
        f"stoker.toml or STOKER_{setting.upper()}"
    )


def _imported(path: str, what: str) -> Any:
    module_name, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise InvalidJob(f"the {what} {path!r} cannot be imported on the worker: {error}") from error
