"""Numbers as people write them: decimal commas, groups of three digits, percent and currency signs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stoker.models.data import CURRENCY

from .source import Values

Form = Literal[
    "whole",
    "point",
    "comma",
    "points",
    "commas",
    "point or groups",
    "comma or groups",
    "groups",
    "infinite",
    "leading zero",
    "huge",
    "other",
]
"""How a cell is written.

A number with a decimal "point" or "comma" admits one reading, as do groups between several "points" or "commas";
`1.234` and `1,234` ("or groups") admit two. "groups" are
`1 234`, which is one number in both. "leading zero" is `007`, which is a code; "huge" has more digits than a number of
64 bits; "other" is no number. Groups of two digits before the last three, as India writes them, are "commas".
"""
DECIMALS: dict[str, tuple[Form, ...]] = {
    ".": ("whole", "groups", "infinite", "point", "commas", "point or groups", "comma or groups"),
    ",": ("whole", "groups", "infinite", "comma", "points", "point or groups", "comma or groups"),
}
"""The forms that are numbers under each decimal mark."""

_MARKED = (
    rf"^(?P<minus>[+\-−]?)\s*(?P<before>{CURRENCY})?\s*(?P<inner>[+\-−]?)"
    rf"(?P<digits>\d[\d.,'’_\s\x{{a0}}\x{{202f}}]*?|[.,]\d+|\d[\d.,]*[eE][+\-]?\d+|(?i:inf|infinity)|∞)\s*(?P<after>%|{CURRENCY})?$"
)
# As accountants write a number below zero, and as SAP does.
_BRACKETED = rf"^({CURRENCY})?\s*\(([^()]*)\)$"
_MINUS_BEHIND = r"^([^+\-−(].*\d.*?)\s*[\-−]$"
_BLANKS = r" '’_\x{a0}\x{202f}"
_EXPONENT = r"(?:[eE][+\-]?\d+)?"


def _decimal(mark: str, groups: str) -> str:
    indian = r"|[1-9]\d?(?:,\d{2})+,\d{3}" if groups == "," else ""
    return rf"^(?:\d+|[1-9]\d{{0,2}}(?:[{groups}{_BLANKS}]\d{{3}})+{indian})?{mark}\d*{_EXPONENT}$"


# In the order in which they are tried; the first that matches holds.
_FORMS: tuple[tuple[Form, str], ...] = (
    ("huge", r"^[1-9]\d{18,}$"),
    ("whole", r"^(?:0|[1-9]\d*)$"),
    ("leading zero", r"^0\d+$"),
    ("point or groups", r"^[1-9]\d{0,2}\.\d{3}$"),
    ("comma or groups", r"^[1-9]\d{0,2},\d{3}$"),
    ("groups", rf"^[1-9]\d{{0,2}}(?:[{_BLANKS}]\d{{3}})+$"),
    ("points", r"^[1-9]\d{0,2}(?:\.\d{3}){2,}$"),
    ("commas", r"^[1-9]\d{0,2}(?:,\d{3}){2,}$"),
    ("commas", r"^[1-9]\d?(?:,\d{2})+,\d{3}$"),
    ("infinite", r"^(?i:inf|infinity|∞)$"),
    ("point", rf"^\d+{_EXPONENT}$"),
    ("point", _decimal(r"\.", ",")),
    ("comma", _decimal(",", ".")),
)


@dataclass(frozen=True)
class Forms:
    """How some cells are written.

    Attributes:
        codes: of each its form, as an index of `names`.
        signs: of each its unit, such as %; "" for none.
        negated: which are put in brackets or have a minus behind them.
    """

    names: tuple[Form, ...]
    codes: NDArray[np.int8]
    signs: Values
    negated: NDArray[np.bool_]


_NAMES: tuple[Form, ...] = (*dict.fromkeys(name for name, _ in _FORMS), "other")


def forms_of(cells: pa.StringArray) -> Forms:
    """The forms of stripped cells."""
    plain = _minus_before(cells)
    marked = pc.extract_regex(plain, _MARKED)
    digits = pc.struct_field(marked, "digits")
    codes = np.full(len(cells), len(_NAMES) - 1, np.int8)
    is_open = marked.is_valid().to_numpy(zero_copy_only=False)
    for name, pattern in _FORMS:
        if not is_open.any():
            break
        matched = pc.fill_null(pc.match_substring_regex(digits, pattern), False)  # noqa: FBT003  # its own signature
        hits = is_open & matched.to_numpy(zero_copy_only=False)
        codes[hits] = _NAMES.index(name)
        is_open &= ~hits
    before, after = (pc.fill_null(pc.struct_field(marked, name), "") for name in ("before", "after"))
    signs = pc.if_else(pc.equal(after, ""), before, after)
    negated = pc.fill_null(pc.not_equal(plain, cells), False)  # noqa: FBT003
    return Forms(_NAMES, codes, signs.to_numpy(zero_copy_only=False), np.asarray(negated))


def _minus_before(cells: pa.StringArray) -> pa.StringArray:
    """Cells as `-5` that are written as `(5)` or `5-`."""
    cells = pc.replace_substring_regex(cells, _BRACKETED, r"-\1\2")
    return pc.replace_substring_regex(cells, _MINUS_BEHIND, r"-\1")


def numbers_of(cells: pa.StringArray, decimal: str, *, is_whole: bool) -> pa.Array:
    """Cells of the forms that are numbers under a decimal mark, as int64 or float64; null stays null.

    Raises:
        pa.ArrowInvalid: a cell is of another form.
    """
    kind = pa.int64() if is_whole else pa.float64()
    marked = pc.extract_regex(_minus_before(cells), _MARKED)
    digits = pc.replace_substring(pc.struct_field(marked, "digits"), "∞", "inf")
    groups = r"[,\s'’_\x{a0}\x{202f}]" if decimal == "." else r"[.\s'’_\x{a0}\x{202f}]"
    digits = pc.replace_substring_regex(digits, groups, "")
    if decimal == ",":
        digits = pc.replace_substring(digits, ",", ".")
    minus = pc.or_(*(pc.is_in(pc.struct_field(marked, name), pa.array(["-", "−"])) for name in ("minus", "inner")))
    numbers = pc.if_else(minus, pc.binary_join_element_wise("-", digits, ""), digits).cast(kind)
    if numbers.null_count > cells.null_count:
        raise pa.ArrowInvalid("a cell is no number")
    return numbers
