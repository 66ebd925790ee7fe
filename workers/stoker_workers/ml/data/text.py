"""Text files as blocks of UTF-8, however they are compressed and encoded."""

import bz2
import codecs
import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from typing import IO, cast

import charset_normalizer
import pyarrow as pa

from stoker.errors import InvalidJob
from stoker.models.data import decoded_head, marked_encoding, open_file

BLOCK_BYTES = 1 << 20
"""Text read at a time: with 8 MiB pyarrow takes four times the memory, and no less time."""
_SAMPLE_BYTES = 64 << 10
_LONGEST_LINE_BYTES = 16 << 20
# Ctrl-Z, with which DOS ended texts; some programs still do.
_DOS_END = b"\x1a"
_SHOWN = 40
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
# In text of Latin letters few are not ASCII. Where most are, the encoding is of another alphabet.
_LATIN = 0.3
# Of two code pages that share most letters, the one of Windows: files of old Macs are hardly left.
_OF_WINDOWS = {"mac_cyrillic": "cp1251", "mac_greek": "cp1253", "mac_turkish": "cp1254", "mac_latin2": "cp1250"}
_WESTERN = ("cp1252", "latin-1")
# Text beside which no other letters stand than signs of cp1252: €, dashes, quotes, a blank, £, °, ² and the like.
# What are ³, ¹, ¿, Ÿ and £ in the middle of words, or before them, are letters of Polish in its code page.
_POLISH = re.compile(
    rb"(?<=[A-Za-z\xc0-\xff])[\xb3\xb9\xbf\x9f](?=[A-Za-z\xc0-\xff])|\xa3(?:[\xc0-\xff]|[aeiouy][a-z])"
)
_SIGNS = re.compile(rb"[\x00-\x7f]+|(?<![\x80-\xff])[\x80\x85\x91-\x97\x99\xa0-\xbf](?![\x80-\xff])")


@contextmanager
def open_text(url: str) -> Iterator[IO[bytes]]:
    """Open a text file, which is decompressed if its first bytes say that it is compressed.

    Raises:
        InvalidJob: see `open_file`; or it is cut off.
    """
    with open_file(url, _damage) as file:
        head = file.read(4)
        file.seek(0)
        match next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None):
            case "gzip":
                yield cast("IO[bytes]", gzip.GzipFile(fileobj=file))
            case "bz2":
                yield cast("IO[bytes]", bz2.BZ2File(file))
            case "zstd":
                yield cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))
            case _:
                yield file


def _damage(error: Exception) -> str | None:
    # Arrow's are without a number; those of the file system have one, and their own meaning.
    if isinstance(error, EOFError | gzip.BadGzipFile | OSError | ValueError | pa.ArrowException):
        return "cannot be decompressed: it is damaged or cut off; write it again"
    return None


def find_encoding(url: str, stated: str | None) -> tuple[str, int, str | None]:
    """The encoding of a text file, the size of its text in bytes, and a note where the encoding is a guess.

    Reads all of it: a line that is not UTF-8 may be the last.

    Raises:
        InvalidJob: it is no text, or not in the stated encoding.
    """
    with open_text(url) as file:
        head = file.read(BLOCK_BYTES)
        encoding = stated or marked_encoding(head[: 64 << 10]) or "utf-8"
        found = _Survey(url, encoding)
        while head:
            found.add(head)
            head = file.read(BLOCK_BYTES)
    return found.result(stated)


class _Survey:
    """One pass over the bytes of a text file, to tell its encoding."""

    def __init__(self, url: str, encoding: str) -> None:
        self._url = url
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._bytes = self._lines = 0
        self._bad_line: int | None = None
        self._has_others = False
        self._others = bytearray()
        self._tail = b""

    def add(self, block: bytes) -> None:
        self._bytes += len(block)
        if self._bad_line is None:
            try:
                text = self._decoder.decode(block)
            except UnicodeDecodeError as error:
                self._bad_line = self._lines + 1 + error.object[: error.start].count(b"\n")
            else:
                if "\0" in text:
                    line = self._lines + 1 + text.count("\n", 0, text.index("\0"))
                    raise InvalidJob(
                        f"{self._url}, line {line}: holds zero bytes, so it is no text; check the file and its name"
                    )
                self._has_others |= not text.isascii()
                self._lines += text.count("\n")
                return
        if len(self._others) < _SAMPLE_BYTES:
            lines = [line for line in (self._tail + block).splitlines() if not line.isascii()]
            self._others += b"\n".join(lines)[:_SAMPLE_BYTES]

    def result(self, stated: str | None) -> tuple[str, int, str | None]:
        if self._bad_line is None:
            return self._encoding, self._bytes, None
        if stated:
            raise InvalidJob(
                f"{self._url}, line {self._bad_line}: not {stated}; correct it, or set encoding to another, or leave "
                "it out so that it is found"
            )
        sample = bytes(self._others)
        encoding = _guessed(sample)
        if encoding in _WESTERN and (self._has_others or any(map(_is_utf8, sample.splitlines()))):
            raise InvalidJob(
                f"{self._url}, line {self._bad_line}: not UTF-8, as other lines are; write all in one, or set encoding"
            )
        if encoding is None:
            raise InvalidJob(
                f"{self._url}, line {self._bad_line}: not UTF-8, nor any other encoding that was tried; set encoding"
            )
        example = next((word for word in sample.decode(encoding, "replace").split() if not word.isascii()), "")
        note = f"line {self._bad_line} is not UTF-8, so it is read as {encoding} ({example[:_SHOWN]!r})"
        return encoding, self._bytes, f"{note}; if that looks wrong, set encoding"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _guessed(sample: bytes) -> str | None:
    """The encoding of lines that are not UTF-8; None if none fits."""
    high = sum(byte >= 0x80 for byte in sample)
    letters = sum(bytes((byte,)).isalpha() for byte in sample)
    if high < _LATIN * (high + letters) or not _SIGNS.sub(b"", sample).strip():
        # Which of the Latin code pages cannot be told; nearly always it is the first.
        for encoding in ("cp1250", *_WESTERN) if _POLISH.search(sample) else _WESTERN:
            try:
                sample.decode(encoding)
            except UnicodeDecodeError:
                continue
            return encoding
    best = charset_normalizer.from_bytes(sample).best()
    if best is None:
        return None
    twin = _OF_WINDOWS.get(best.encoding)
    return twin if twin and decoded_head(sample, twin) is not None else best.encoding


def utf8_pieces(url: str, encoding: str) -> Iterator[bytes]:
    """The text in UTF-8, in pieces that end anywhere; without the mark of DOS at its end.

    Raises:
        InvalidJob: it is damaged.
    """
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
    held = b""
    with open_text(url) as file:
        while block := file.read(BLOCK_BYTES):
            piece = held + (block if decoder is None else decoder.decode(block).encode())
            text = piece.rstrip(_DOS_END)
            held = piece[len(text) :]
            if text:
                yield text
    if decoder and (rest := (held + decoder.decode(b"", final=True).encode()).rstrip(_DOS_END)):
        yield rest


def utf8_blocks(url: str, encoding: str) -> Iterator[bytes]:
    """The text in UTF-8, in blocks that end with a line.

    Raises:
        InvalidJob: it is damaged, or a line is longer than is read.
    """
    rest = b""
    for piece in utf8_pieces(url, encoding):
        whole = rest + piece
        # A carriage return at the end may be half of a line break.
        end = max(whole.rfind(b"\n"), whole.rfind(b"\r", 0, -1)) + 1
        rest = whole[end:]
        if len(rest) > _LONGEST_LINE_BYTES:
            raise InvalidJob(f"{url} has a line of more than {_LONGEST_LINE_BYTES:,} bytes; is it text by lines?")
        if end:
            yield whole[:end]
    if rest:
        yield rest


class BlockFile(RawIOBase):
    """A file of blocks, read once from its beginning to its end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
