"""Functions of a job's author, which the worker's settings allow by name."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from stoker.errors import InvalidJob


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
        raise InvalidJob(
            f"this worker does not run the {what} {path!r}; to allow it, add it to `{setting}` in the worker's "
            f"stoker.toml or STOKER_{setting.upper()}"
        )
    module_name, _, function_name = path.partition(":")
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise InvalidJob(f"the {what} {path!r} cannot be imported on the worker: {error}") from error
    return function
