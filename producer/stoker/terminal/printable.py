"""Makes foreign text printable: escapes characters that would control a terminal or reorder a line."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

# Persian, the scripts of India and many emoji need them.
_JOINERS = "\u200c\u200d"
_STEERING = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def encodable(text: str) -> str:
    r"""Escapes lone surrogates, which UTF-8 cannot encode, such as `\udcff`.

    Python decodes file names that are not UTF-8 to them, and errors quote these names.
    """
    return text.encode(errors="backslashreplace").decode()


Encodable = Annotated[str, AfterValidator(encodable)]


def printable(text: str) -> str:
    r"""Escapes each character that is not a letter, mark or blank, such as `\x1b`.

    These are control characters, line breaks included, overrides of the writing direction, invisible format characters
    and lone surrogates: a terminal would obey them, a page would hide them. A tab becomes a blank.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char == "\t":
        return " "
    if char in _JOINERS or unicodedata.category(char) not in _STEERING:
        return char
    return char.encode("unicode_escape").decode("ascii")
