"""Which local files a client looks at when it checks a submit: all of its user's, unless it submits for others."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ..models.access import Access
from ..models.data import split

_ACCESS: ContextVar[Access | None] = ContextVar("access", default=None)


@contextmanager
def reaching(access: Access) -> Iterator[None]:
    """Look at no other files than these, for the length of a with block: what is refused does not say what is there."""
    token = _ACCESS.set(access)
    try:
        yield
    finally:
        _ACCESS.reset(token)


def check_reach(ref: str) -> None:
    """Check that a local file may be looked at.

    Raises:
        InvalidJob: it may not.
    """
    access = _ACCESS.get()
    if access is not None:
        scheme, path = split(ref)
        if scheme == "file":
            access.folder(Path(path).expanduser().absolute(), ref)
