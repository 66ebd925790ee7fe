"""What a job prints, as the lines of its log."""

import logging
from collections.abc import Iterable, Iterator
from typing import Literal

from stoker.events import Log

from ..ml.native import is_aside, level_of
from .messages import Emitted

_LONGEST_LINE = 2_000
_LEVELS: dict[int, Literal["warning", "error"]] = {logging.WARNING: "warning", logging.ERROR: "error"}


class Lines:
    """Cuts a stream of bytes into lines, and those that are very long into pieces."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete with these bytes; empty ones are left out."""
        *whole, self._tail = (self._tail + data).split(b"\n")
        if len(self._tail) > _LONGEST_LINE:
            *begun, self._tail = _pieces(self._tail)
            whole += begun
        return [text for line in whole for piece in _pieces(line) if (text := self._text(piece))]

    def rest(self) -> list[str]:
        """What is left when no more bytes come."""
        return self.feed(b"\n") if self._tail else []

    @staticmethod
    def _text(line: bytes) -> str:
        return line.decode(errors="replace").rstrip()


def _pieces(line: bytes) -> list[bytes]:
    """A line cut into pieces that are no longer than `_LONGEST_LINE`, between characters."""
    pieces = []
    while len(line) > _LONGEST_LINE:
        end = _LONGEST_LINE
        # Bytes that begin with the bits 10 go on with a character; there are at most three.
        while end > _LONGEST_LINE - 3 and line[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(line[:end])
        line = line[end:]
    return [*pieces, line]


def as_events(lines: Iterable[str]) -> Iterator[Emitted]:
    """What a job has printed as events of its log, without what libraries say of themselves."""
    return (as_event(line) for line in lines if not is_aside(line))


def as_event(line: str) -> Emitted:
    """A line as an event, of the level that it begins with."""
    return Emitted(event=Log(line=line, level=_LEVELS.get(level_of(line), "info")))
