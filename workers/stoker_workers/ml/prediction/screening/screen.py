"""What all checks of files have in common: who fails one is told of in the audit."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from stoker.errors import InvalidJob
from stoker.models.access import Unsafe

P = ParamSpec("P")
T = TypeVar("T")


def screen(check: Callable[P, T]) -> Callable[P, T]:
    """A check of a file before anything opens it, which raises `Unsafe` for what it refuses."""

    @wraps(check)
    def screened(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return check(*args, **kwargs)
        except InvalidJob as error:
            raise Unsafe(error.message) from error

    return screened
