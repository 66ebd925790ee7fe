"""How a `Train` job makes do with less memory, when an attempt has run out of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .train import Train

_PARTS = (4, 16, 64)


@dataclass(frozen=True)
class Thrift:
    """One way to make do with less memory.

    Attributes:
        parts: into how many parts each batch is divided, whose gradients are added up.
        mixed: whether layers compute in half precision.
    """

    parts: int = 1
    mixed: bool = False

    def __str__(self) -> str:
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        if self.parts > 1:
            yield f"each batch in {self.parts} parts"
        if self.mixed:
            yield "mixed precision"


def thrifts(spec: "Train") -> tuple[Thrift, ...]:
    """The ways of a job, each thriftier than the one before: smaller parts of batches, then mixed precision if it may.

    A part has a row at least.
    """
    ways = [Thrift(parts) for parts in _PARTS if parts <= spec.batch_size]
    if spec.precision == "auto":
        ways.append(Thrift(ways[-1].parts if ways else 1, mixed=True))
    return tuple(ways)


def thrift_of(spec: "Train", used: int) -> Thrift:
    """How an attempt runs, after so many steps towards less memory."""
    return (Thrift(), *thrifts(spec))[used]
