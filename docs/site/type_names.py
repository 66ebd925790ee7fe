"""Types as a reader writes them."""

import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin


def type_text(hint: object) -> str:
    """A type without its constraints: `"low" | "high" | None`, `list[Prediction]`."""
    origin, of = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_text(of[0])
    if origin is Literal:
        return " | ".join(f'"{value}"' if isinstance(value, str) else repr(value) for value in of)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(type_text(part) for part in of))
    if hint is None or hint is type(None):
        return "None"
    if hint is ...:
        return "…"
    if isinstance(hint, list):
        return f"[{', '.join(map(type_text, hint))}]"
    if origin is not None and of:
        return f"{_name(origin)}[{', '.join(map(type_text, of))}]"
    return _name(hint)


def signature_text(name: str, function: Callable[..., object]) -> str:
    """A function's signature, in a line for each parameter where one line would be long."""
    hints = typing.get_type_hints(function)
    parts, is_keyword = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            parts.append("*")
        parts.append(_parameter(parameter, hints.get(parameter.name, Any)))
    is_maker = function.__name__ == "__init__"
    returns = f" -> {type_text(hints['return'])}" if "return" in hints and not is_maker else ""
    line = f"{name}({', '.join(parts)}){returns}"
    if len(line) <= 88:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def default_text(value: object) -> str:
    """A default as it is written."""
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value).replace("'", '"')


def _parameter(parameter: inspect.Parameter, hint: object) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
    default = "" if parameter.default is parameter.empty else f" = {default_text(parameter.default)}"
    return f"{stars}{parameter.name}: {type_text(hint)}{default}"


def _name(hint: object) -> str:
    if isinstance(hint, TypeVar):
        return type_text(hint.__bound__) if hint.__bound__ else "Any"
    if isinstance(hint, type):
        return hint.__name__
    return str(getattr(hint, "__name__", None) or hint).removeprefix("typing.")
