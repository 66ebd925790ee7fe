"""The name of a network where the network itself is wanted."""

import difflib
from collections.abc import Mapping
from typing import Any


def refuse_name(value: Any, classes: Mapping[str, str]) -> Any:
    """Refuse the name of an architecture, or its class, in place of one.

    Args:
        classes: the classes of architectures by their types.

    Raises:
        ValueError: it is a name or a class.
    """
    name = value.__name__ if isinstance(value, type) else value
    if not isinstance(name, str):
        return value
    types = {known.lower(): kind for kind, known in classes.items()} | {kind: kind for kind in classes}
    close = difflib.get_close_matches(name.strip().lower(), types, n=1)
    kind = types[close[0]] if close else "mlp"
    raise ValueError(
        f"expected a network, such as stoker.{classes[kind]}(), or {{'type': {kind!r}}} in a file; there are "
        f"{', '.join(classes.values())}"
    )
