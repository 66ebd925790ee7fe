"""The encoding of a text file, as far as its first bytes tell."""

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Of the bytes of UTF-16, at least this share is zero where most of the text is ASCII; of other text, none is.
_ZEROS = 0.6


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
