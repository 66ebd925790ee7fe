"""What a Keras config names outside Keras: an author's own classes and functions, whose modules a worker must allow.

A config says of a class in which module it is, and of a function only by which name it is registered.
"""

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ...errors import InvalidJob
from ..needs import MODULE

_LONGEST = 200
_NAME = re.compile(r"[A-Za-z_]\w*")
# With a package, which no name of Keras' own has.
_REGISTERED = re.compile(r"[A-Za-z_][\w.-]*>[A-Za-z_]\w*")


class CustomObject(NamedTuple):
    """A class of an author's module, as a config names it.

    Attributes:
        registered: the name that Keras knows it by: such as "shop>Gate", or the class's own if it is not registered.
    """

    module: str
    name: str
    registered: str


def is_custom(part: Mapping[str, Any]) -> bool:
    """Whether a part of a config may be a class of an author's own module."""
    name, registered = part.get("class_name"), part.get("registered_name")
    return (
        isinstance(name, str)
        and isinstance(registered, str)
        and isinstance(part.get("config"), dict)
        and _NAME.fullmatch(name) is not None
        and _is_own(part.get("module"))
    )


def is_custom_function(part: Mapping[str, Any]) -> bool:
    """Whether a part of a config is an author's function, registered under a package, such as "shop>squashed"."""
    name = part.get("config")
    return (
        (part.get("module"), part.get("class_name")) == ("builtins", "function")
        and part.get("registered_name") == "function"
        and isinstance(name, str)
        and len(name) <= _LONGEST
        and _REGISTERED.fullmatch(name) is not None
    )


def _is_own(module: object) -> bool:
    return (
        isinstance(module, str)
        and len(module) <= _LONGEST
        and re.fullmatch(MODULE, module) is not None
        and not is_foreign(module)
    )


def is_foreign(module: str) -> bool:
    """Whether a module is one of Python's, Keras' or TensorFlow's, or the program itself: never an author's."""
    root = module.partition(".")[0]
    return root in sys.stdlib_module_names or root == "__main__" or root.startswith(("keras", "tensorflow", "tf_keras"))


def custom_objects(config: object) -> frozenset[CustomObject]:
    """All classes that a screened config names outside Keras."""
    return frozenset(
        CustomObject(part["module"], part["class_name"], part["registered_name"])
        for part in _parts(config)
        if is_custom(part)
    )


def custom_functions(config: object) -> frozenset[str]:
    """The names under which all functions are registered that a screened config names outside Keras."""
    return frozenset(part["config"] for part in _parts(config) if is_custom_function(part))


def custom_modules(config: object) -> tuple[str, ...]:
    """The modules of an author's classes that a screened config names, in order."""
    return tuple(sorted({each.module for each in custom_objects(config)}))


def refuse_custom_h5(formats: Collection[str], modules: Collection[str]) -> None:
    """Refuse to save a network with classes of an author's modules in a format that does not say of which they are.

    Raises:
        InvalidJob: h5 is among the formats.
    """
    if "h5" in formats and modules:
        raise InvalidJob(
            f"formats names h5, which does not say where classes of yours are, and the network has some of "
            f"{', '.join(sorted(modules))}: leave it out, and save as keras"
        )


def _parts(value: object) -> Iterator[Mapping[str, Any]]:
    """All objects in a config."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for each in value.values():
            yield from _parts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _parts(each)
