"""What a Keras config names outside Keras: an author's own classes, whose modules a worker must allow.

No functions: a config says of one by which name it is registered, and not where it is.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .needs import MODULE

_LONGEST = 200
_NAME = re.compile(r"[A-Za-z_]\w*")


class CustomObject(NamedTuple):
    """A class of an author's module, as a config names it.

    Attributes:
        registered: the name that Keras knows it by: such as "shop>Gate", or the class's own if it is not registered.
    """

    module: str
    name: str
    registered: str


def is_custom(part: Mapping[str, Any]) -> bool:
    """Whether a part of a config may be of an author's own module: of none of Python's, Keras' or TensorFlow's."""
    module, name, registered = part.get("module"), part.get("class_name"), part.get("registered_name")
    return (
        isinstance(module, str)
        and isinstance(name, str)
        and isinstance(registered, str)
        and isinstance(part.get("config"), dict)
        and len(module) <= _LONGEST
        and re.fullmatch(MODULE, module) is not None
        and _NAME.fullmatch(name) is not None
        and not _is_foreign(module.partition(".")[0])
    )


def _is_foreign(root: str) -> bool:
    return root in sys.stdlib_module_names or root == "__main__" or root.startswith(("keras", "tensorflow", "tf_keras"))


def custom_objects(config: object) -> frozenset[CustomObject]:
    """All that a screened config names outside Keras."""
    return frozenset(_found(config))


def custom_modules(config: object) -> tuple[str, ...]:
    """The modules of an author's that a screened config names, in order."""
    return tuple(sorted({each.module for each in custom_objects(config)}))


def _found(value: object) -> Iterator[CustomObject]:
    if isinstance(value, dict):
        if "class_name" in value and is_custom(value):
            yield CustomObject(value["module"], value["class_name"], value["registered_name"])
        for each in value.values():
            yield from _found(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _found(each)
