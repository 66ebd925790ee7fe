"""The quotes of separated text: where one is never closed, rows would be lost in a cell without a word."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import Dialect

_LARGEST_CELL_BYTES = 1 << 20
_MOST_LINES = 10_000


def guarded(blocks: Iterator[bytes], dialect: Dialect, url: str) -> Iterator[bytes]:
    """The same blocks, which end with lines and are without the lines that the dialect skips.

    A cell such as `"x" y` is quoted as a whole, or its own quotes would be taken off.

    Raises:
        InvalidJob: a quoted cell does not end, or too late to be one.
    """
    if not dialect.quote:
        yield from blocks
        return
    guard = _Guard(dialect, url)
    for block in blocks:
        yield guard.followed(block)
    guard.end()


class _Guard:
    """Follows whether the text is in a quoted cell."""

    def __init__(self, dialect: Dialect, url: str) -> None:
        self._url = url
        self._quote = ord(dialect.quote)
        self._escape = ord(dialect.escape) if dialect.escape else None
        ends = dialect.separator.encode() + b"\r\n"
        self._ends = np.frombuffer(ends, np.uint8)
        self._rest_of_cell = re.compile(rb"[^" + re.escape(ends) + rb"]*")
        self._line = dialect.skip + 1
        self._open_line: int | None = None
        self._open_bytes = 0

    def followed(self, block: bytes) -> bytes:
        """A block, in which cells are quoted that go on behind their quotes."""
        text = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(text == self._quote)
        if self._escape is not None:
            quotes = quotes[text[quotes - 1] != self._escape]
        lines = block.count(b"\n") or block.count(b"\r")
        if not len(quotes):
            self._open_bytes += len(block)
        elif not self._add_regular(block, text, quotes):
            block = self._quoted(block, self._add_irregular(block, text, quotes))
        self._line += lines
        if self._open_line is not None and (
            self._open_bytes > _LARGEST_CELL_BYTES or self._line - self._open_line > _MOST_LINES
        ):
            raise self._unclosed(self._open_line)
        return block

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

    def _add_irregular(self, block: bytes, text: NDArray[np.uint8], quotes: NDArray[np.intp]) -> list[tuple[int, int]]:
        """Follow quotes one by one: those amid a cell that is not quoted mean nothing.

        Returns:
            Where the cells begin and end that go on behind their quotes.
        """
        ends = set(self._ends.tolist())
        last = len(text) - 1
        doubled, opened = -1, 0
        longer = []
        for at in quotes.tolist():
            if at == doubled:
                continue
            if self._open_line is None:
                if at == 0 or int(text[at - 1]) in ends:
                    self._opened(block, at)
                    opened = at
                continue
            following = int(text[at + 1]) if at < last else ord("\n")
            if following == self._quote:
                doubled = at + 1
                continue
            line = self._line + block.count(b"\n", 0, at)
            if following not in ends and line > self._open_line:
                raise self._unclosed(self._open_line)
            self._open_line = None
            if (rest := self._rest_of_cell.match(block, at + 1)) and rest[0].strip():
                longer.append((opened, rest.end()))
        return longer

    def _quoted(self, block: bytes, cells: list[tuple[int, int]]) -> bytes:
        """A block with some of its cells in quotes, and the quotes within them twice."""
        quote = bytes([self._quote])
        parts, done = [], 0
        for start, stop in cells:
            parts += [block[done:start], quote, block[start:stop].replace(quote, 2 * quote), quote]
            done = stop
        return b"".join([*parts, block[done:]]) if cells else block

    def _opened(self, block: bytes, at: int) -> None:
        self._open_line = self._line + block.count(b"\n", 0, at)
        self._open_bytes = len(block) - at

    def _unclosed(self, line: int) -> InvalidJob:
        return InvalidJob(
            f"{self._url}: a quote opened in line {line} is never closed; close it, or set quote='' if it is no quote"
        )
