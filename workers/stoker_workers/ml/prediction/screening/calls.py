"""How large a model becomes when its functions are written out where they are called."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from stoker.errors import InvalidJob

Key = TypeVar("Key", bound=Hashable)

_DEEPEST = 100
_MOST_OPERATORS = 1_000_000


def check_calls(bodies: Mapping[Key, Sequence[Key]], what: str) -> None:
    """Refuse functions that call themselves, and those that call others so often that a memory is filled by it.

    Args:
        bodies: the operators of each function: what is no function itself is one operator.
        what: the model, for messages.

    Raises:
        InvalidJob: there are such functions.
    """
    sizes: dict[Key, int] = {}

    def size(name: Key, depth: int) -> int:
        if depth > _DEEPEST:
            raise InvalidJob(f"{what} has functions that call themselves, or each other more than {_DEEPEST} deep")
        for called in bodies.keys() & set(bodies[name]) - sizes.keys():
            sizes[called] = size(called, depth + 1)
        total = sum(1 + sizes.get(operator, 0) for operator in bodies[name])
        if total > _MOST_OPERATORS:
            raise InvalidJob(
                f"{what} has more than {_MOST_OPERATORS:,} operators where its functions are written out; no model has"
            )
        return total

    for name in bodies.keys() - sizes.keys():
        if name not in sizes:
            sizes[name] = size(name, 0)
