"""The quotes of separated text: where one is never closed, rows would be lost in a cell without a word."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import Dialect

_LARGEST_CELL_BYTES = 1 << 20
_MOST_LINES = 10_000


def guarded(blocks: Iterator[bytes], dialect: Dialect, url: str) -> Iterator[bytes]:
    """The same blocks, which end with lines and are without the lines that the dialect skips.

    Raises:
        InvalidJob: a quoted cell does not end, or too late to be one.
    """
    if not dialect.quote:
        yield from blocks
        return
    guard = _Guard(dialect, url)
    for block in blocks:
        guard.add(block)
        yield block
    guard.end()


class _Guard:
    """Follows whether the text is in a quoted cell."""

    def __init__(self, dialect: Dialect, url: str) -> None:
        self._url = url
        self._quote = ord(dialect.quote)
        self._escape = ord(dialect.escape) if dialect.escape else None
        self._ends = np.frombuffer(dialect.separator.encode() + b"\r\n", np.uint8)
        self._line = dialect.skip + 1
        self._open_line: int | None = None
        self._open_bytes = 0

    def add(self, block: bytes) -> None:
        text = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(text == self._quote)
        if self._escape is not None:
            quotes = quotes[text[quotes - 1] != self._escape]
        lines = block.count(b"\n") or block.count(b"\r")
        if not len(quotes):
            self._open_bytes += len(block)
        elif not self._add_regular(block, text, quotes):
            self._add_irregular(block, text, quotes)
        self._line += lines
        if self._open_line is not None and (
            self._open_bytes > _LARGEST_CELL_BYTES or self._line - self._open_line > _MOST_LINES
        ):
            raise self._unclosed(self._open_line)

    def end(self) -> None:
        if self._open_line is not None:
            raise self._unclosed(self._open_line)

    def _add_regular(self, block: bytes, text: NDArray[np.uint8], quotes: NDArray[np.intp]) -> bool:
        """Follow quotes of which every second one opens a cell; False if they are not so."""
        is_open = self._open_line is not None
        opening = np.arange(len(quotes)) % 2 == (1 if is_open else 0)
        padded = np.concatenate([[ord("\n")], text, [ord("\n")]])
        begins = np.isin(padded[quotes], self._ends)
        ends = np.isin(padded[quotes + 2], self._ends)
        # A quote that closes a cell and one that opens it again at once are one within it.
        beside = np.diff(quotes) == 1
        begins[1:] |= beside & ~opening[:-1]
        ends[:-1] |= beside & ~opening[:-1]
        if not np.where(opening, begins, ends).all():
            return False
        if opening[-1]:
            self._opened(block, int(quotes[-1]))
        else:
            self._open_line = None
        return True

    def _add_irregular(self, block: bytes, text: NDArray[np.uint8], quotes: NDArray[np.intp]) -> None:
        """Follow quotes one by one: those amid a cell that is not quoted mean nothing."""
        ends = set(self._ends.tolist())
        last = len(text) - 1
        doubled = -1
        for at in quotes.tolist():
            if at == doubled:
                continue
            if self._open_line is None:
                if at == 0 or int(text[at - 1]) in ends:
                    self._opened(block, at)
                continue
            following = int(text[at + 1]) if at < last else ord("\n")
            if following == self._quote:
                doubled = at + 1
                continue
            line = self._line + block.count(b"\n", 0, at)
            if following not in ends and line > self._open_line:
                raise self._unclosed(self._open_line)
            self._open_line = None

    def _opened(self, block: bytes, at: int) -> None:
        self._open_line = self._line + block.count(b"\n", 0, at)
        self._open_bytes = len(block) - at

    def _unclosed(self, line: int) -> InvalidJob:
        return InvalidJob(
            f"{self._url}: a quote opened in line {line} is never closed; close it, or set quote='' if it is no quote"
        )
