"""The records of a JSON file: an object in each line, or objects over many lines, alone or in an array."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from stoker.errors import InvalidJob

from .text import utf8_blocks, utf8_pieces

Record = dict[str, Any]

_LONGEST_FIRST = 1 << 20
_LONGEST_RECORD = 16 << 20
_BLANK = re.compile(r"[ \t\r\n]*")
# What is cut amid a word such as "-Infinity" is wrong where the word begins.
_LONGEST_WORD = 16


class _TwiceError(ValueError):
    """A key is there twice."""


def _pairs(items: list[tuple[str, Any]]) -> Record:
    found = dict(items)
    if len(found) < len(items):
        raise _TwiceError
    return found


def json_records(url: str, encoding: str) -> Iterator[tuple[Record, int]]:
    """The records of a file, and the lines where they begin.

    Raises:
        InvalidJob: it is not made of JSON objects, or one holds a key twice.
    """
    first, is_cut = _first_line(url, encoding)
    if first.startswith(b"[") or (first.startswith(b"{") and not is_cut and not _is_whole(first)):
        yield from _Laid(url, encoding).records()
        return
    line = 0
    for block in utf8_blocks(url, encoding):
        for text in block.splitlines():
            line += 1
            if text.strip():
                yield _record(text, url, line), line


def _first_line(url: str, encoding: str) -> tuple[bytes, bool]:
    """The first line that is not blank, and whether it goes on."""
    head = b""
    for piece in utf8_pieces(url, encoding):
        head = (head + piece).lstrip()
        first, end, _ = head.partition(b"\n")
        if end:
            return first, False
        if len(head) > _LONGEST_FIRST:
            return head, True
    return head, False


def _is_whole(line: bytes) -> bool:
    """Whether a line is JSON by itself."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _record(text: bytes, url: str, line: int) -> Record:
    """The object in a line."""
    try:
        record = json.loads(text, object_pairs_hook=_pairs)
    except _TwiceError:
        raise _twice(url, line) from None
    except (ValueError, RecursionError) as error:
        at = f" in column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidJob(f'{url}, line {line}: no JSON{at}; expected an object such as {{"x": 1}}') from None
    return _object(record, url, line)


def _object(record: object, url: str, line: int) -> Record:
    if not isinstance(record, dict):
        raise InvalidJob(f'{url}, line {line}: {type(record).__name__} is no object; expected one such as {{"x": 1}}')
    return record


def _twice(url: str, line: int) -> InvalidJob:
    return InvalidJob(f"{url}, line {line}: a key is there twice; keep one of each")


class _Laid:
    """Objects that are laid out over lines as their writer liked: one after the other, or in an array.

    Of the text, only what is not yet read of a record is in memory.
    """

    def __init__(self, url: str, encoding: str) -> None:
        self._url = url
        self._pieces = codecs.iterdecode(utf8_pieces(url, encoding), "utf-8")
        self._decoder = json.JSONDecoder(object_pairs_hook=_pairs)
        self._text = ""
        self._at = 0
        self._line = 1

    def records(self) -> Iterator[tuple[Record, int]]:
        in_array = self._next == "["
        if in_array:
            self._pass(1)
        count = 0
        while self._next not in ("", "]") if in_array else self._next:
            line = self._line
            record = self._value()
            if not in_array and not count and not self._next:
                raise InvalidJob(
                    f"{self._url} is a single object over several lines; expected an object in each line, or an array "
                    'of objects, [{"x": 1}, {"x": 2}], as pandas writes with orient="records"'
                )
            yield _object(record, self._url, line), line
            count += 1
            if in_array and self._next == ",":
                self._pass(1)
                if self._next == "]":
                    raise self._wrong("expected an object behind the comma")
            elif in_array and self._next not in ("", "]"):
                raise self._wrong("expected a comma or the end of the array")
        if in_array:
            self._end()

    def _end(self) -> None:
        """Pass the end of the array, behind which nothing stands."""
        if not self._next:
            raise self._wrong("the array has no end: the file is cut off; write it again")
        self._pass(1)
        if self._next:
            raise self._wrong("something follows the end of the array; write one array, or an object in each line")

    @property
    def _next(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._pass(blank.end() - self._at if blank else 0)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _value(self) -> object:
        """The next JSON value."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except _TwiceError:
                raise _twice(self._url, self._line) from None
            except RecursionError:
                raise self._wrong("no JSON") from None
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _LONGEST_WORD
                if not is_cut or not self._more():
                    self._pass(max(error.pos - self._at, 0))
                    raise self._wrong(f"no JSON in column {self._column}") from None
            else:
                self._pass(end - self._at)
                return value

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._text = self._text[self._at :] + piece
        self._at = 0
        if len(self._text) > _LONGEST_RECORD + len(piece):
            raise self._wrong(f"an object of more than {_LONGEST_RECORD:,} characters; is it JSON?")
        return True

    def _pass(self, count: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    @property
    def _column(self) -> int:
        return self._at - self._text.rfind("\n", 0, self._at)

    def _wrong(self, what: str) -> InvalidJob:
        return InvalidJob(f"{self._url}, line {self._line}: {what}")
