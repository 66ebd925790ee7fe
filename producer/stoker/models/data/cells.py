"""What a cell of text looks like, on its own."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

CellKind = Literal["number", "date", "text", "mixed", "missing"]

_EXCEL_ERRORS = (
    *("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"),
    *("#NV", "#WERT!", "#BEZUG!", "#ZAHL!", "#VALEUR!", "#NOM?", "#NOMBRE!"),
)
MISSING = (
    *("", "NA", "N/A", "n/a", "n.a.", "N.A.", "NULL", "null", "NaN", "nan", "NaT", "<NA>"),
    *("\\N", "(null)", "(NULL)", "[NULL]", *_EXCEL_ERRORS),
)
"""The cells that mean no value, wherever they stand; \\N is how databases write it."""
MISSING_NUMBERS = ("?", "-", "--", "---", "–", "—", ".", "none", "None", "NONE", "n.d.", "N.D.", "n/d", "N/D", "k.A.")
"""The cells that mean no value in a column of numbers or times; among words, they are words."""

CURRENCY = r"R\$|[$€£¥₹]|zł|kr|Kč|Ft|USD|EUR|GBP|CHF|PLN|BRL|JPY|INR"
"""The signs of money, before or behind a number."""
_NUMBER = re.compile(
    rf"[+\-−]?\s*(?:{CURRENCY})?\s*[+\-−]?\(?[$€£¥₹]?"
    r"(?:\d[\d.,'’ \u00a0\u202f]*|[.,]\d+)(?:[eE][+-]?\d+)?"
    rf"\s*(?:%|{CURRENCY})?[)\-]?"
)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].*)?|\d{1,2}[ -][A-Za-z]{3,9}\.?,?[ -]\d{2,4}")
# A separator with no space behind it is seldom one of a sentence.
_SEPARATED = re.compile(r"[,;|\t](?=\S)|^[,;|\t]|[;|\t]$|^['\"]|['\"]$")


def kind_of_cell(cell: str) -> CellKind:
    """What a stripped cell looks like; "mixed" is text that seems to hold several cells."""
    if cell in MISSING or cell in MISSING_NUMBERS:
        return "missing"
    if _DATE.fullmatch(cell):
        return "date"
    if _NUMBER.fullmatch(cell):
        return "number"
    return "mixed" if _SEPARATED.search(cell) else "text"


def rest_kind(cells: Sequence[str]) -> CellKind:
    """The kind of most cells of a column, those that are missing aside."""
    kinds = Counter(kind for cell in cells if (kind := kind_of_cell(cell)) != "missing")
    return kinds.most_common(1)[0][0] if kinds else "missing"
