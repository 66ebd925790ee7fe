"""How lines of cells are laid out for the eye, and what they are without that."""

import re
from enum import Enum


class Layout(Enum):
    """What is around the cells of a table, beside separators and quotes.

    PADDED: blanks between a separator and a quote. RULED: lines of dashes, as databases and SAP print tables.
    ALIGNED: columns that begin below each other, two blanks or more apart.
    """

    PLAIN = "plain"
    PADDED = "padded"
    RULED = "ruled"
    ALIGNED = "aligned"


LAYOUT_NOTES = {
    Layout.RULED: "lines of dashes are left out",
    Layout.ALIGNED: "two blanks or more are read as the end of a cell",
}
# Of time linear in a line's length, as the others are, too: files may be hostile.
_RULE = r"^(?=[^\n]*---)[ \t|+:=\-]+\r?$"
RULE = re.compile(_RULE, re.MULTILINE)
ALIGNED = re.compile(r"\S {2,}\S")
# The last line of psql, and of mysql, is a count.
_RULES = re.compile(
    rf"{_RULE}|^\(\d+ rows?\)[ \t]*\r?$|^\d+ rows? in set(?: \([\d.]+ sec\))?[ \t]*\r?$".encode(), re.MULTILINE
)
_BETWEEN = re.compile(rb"(?<=[^ \r\n]) {2,}(?=[^ \r\n])")
_AT_ENDS = re.compile(rb"^ +|(?<! ) +(?=\r?$)", re.MULTILINE)


def laid_out(block: bytes, layout: Layout, separator: str, quote: str) -> bytes:
    """Whole lines as they are without their layout; there are as many."""
    match layout:
        case Layout.RULED:
            return _RULES.sub(b"", block)
        case Layout.PADDED:
            return re.sub(rf"(^|{re.escape(separator)}) +(?={quote})".encode(), rb"\1", block, flags=re.MULTILINE)
        case Layout.ALIGNED:
            return _BETWEEN.sub(separator.encode(), _AT_ENDS.sub(b"", block))
        case Layout.PLAIN:
            return block
