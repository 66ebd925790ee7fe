"""The encoding of a text file, as far as its first bytes tell."""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Of the bytes of UTF-16, at least this share is zero where most of the text is ASCII; of other text, none is.
_ZEROS = 0.6
_FOREIGN = (
    (rb"PK\x03\x04", "a workbook of Excel or another archive"),
    (rb"\xd0\xcf\x11\xe0", "an old workbook of Excel"),
    (rb"%PDF-", "a PDF"),
    (rb'\s*\[\s*\{\s*"|\s*\{\s*"(?:[^"\\]|\\.)*"\s*:', "JSON, which format='jsonl' reads"),
    (rb"\s*(?i:<!doctype html|<html|<table|<\?xml)", "HTML or XML"),
)


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark or the zeros of UTF-16 tell; None for any other."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    half = max(len(head) // 2, 1)
    if head[1::2].count(0) / half > _ZEROS and head[::2].count(0) == 0:
        return "utf-16-le"
    if head[::2].count(0) / half > _ZEROS and head[1::2].count(0) == 0:
        return "utf-16-be"
    return None


def decoded_head(head: bytes, encoding: str) -> str | None:
    """The first bytes of a file as text, without a character cut at their end; None if they are no such text."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None


def foreign_format(head: bytes) -> str | None:
    """What a file is that its first bytes say to be no lines of cells; None for all that may be."""
    text = head.removeprefix(codecs.BOM_UTF8)
    return next((what for begin, what in _FOREIGN if re.match(begin, text)), None)
