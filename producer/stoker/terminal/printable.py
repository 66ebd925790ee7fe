"""Text from elsewhere, fit to be shown: what would steer a terminal or reorder a line is shown itself instead."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

# Persian, the scripts of India and many emoji are spelled with them.
_JOINERS = "\u200c\u200d"
_STEERING = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def encodable(text: str) -> str:
    r"""The same text, but with each lone surrogate, which UTF-8 cannot carry, as its escape, such as `\udcff`.

    Python reads file names that are not UTF-8 so, and errors tell of them.
    """
    return text.encode(errors="backslashreplace").decode()


Encodable = Annotated[str, AfterValidator(encodable)]


def printable(text: str) -> str:
    r"""The same text, but with each character that is no letter, mark or blank as its escape, such as `\x1b`.

    These are control characters, line breaks among them, overrides of the writing direction, invisible format
    characters and lone surrogates: a terminal would obey them, a page would hide them. A tab becomes a blank.
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
