"""Numbers as people write them: decimal commas, groups of three digits, percent and currency signs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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
    "leading zero",
    "huge",
    "other",
]
"""How a cell is written.

A number with a decimal "point" or "comma" admits one reading, as do groups between several "points" or "commas";
`1.234` and `1,234` ("or groups") admit two. "groups" are
`1 234`, which is one number in both. "leading zero" is `007`, which is a code; "huge" has more digits than a number of
64 bits; "other" is no number.
"""
DECIMALS: dict[str, tuple[Form, ...]] = {
    ".": ("whole", "groups", "point", "commas", "point or groups", "comma or groups"),
    ",": ("whole", "groups", "comma", "points", "point or groups", "comma or groups"),
}
"""The forms that are numbers under each decimal mark."""

_CURRENCY = r"[$€£¥₹]|USD|EUR|GBP|CHF"
_MARKED = (
    rf"^(?P<minus>[+\-−]?)\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[+\-−]?)"
    rf"(?P<digits>\d[\d.,'’_\s\x{{a0}}\x{{202f}}]*?|[.,]\d+|\d[\d.,]*[eE][+\-]?\d+)\s*(?P<after>%|{_CURRENCY})?$"
)
_BLANKS = r" '’_\x{a0}\x{202f}"
_EXPONENT = r"(?:[eE][+\-]?\d+)?"


def _decimal(mark: str, groups: str) -> str:
    return rf"^(?:\d+|[1-9]\d{{0,2}}(?:[{groups}{_BLANKS}]\d{{3}})+)?{mark}\d*{_EXPONENT}$"


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
    ("point", rf"^\d+{_EXPONENT}$"),
    ("point", _decimal(r"\.", ",")),
    ("comma", _decimal(",", ".")),
)


@dataclass(frozen=True)
class Forms:
    """How some cells are written: of each the form, as an index of `names`, and its unit, such as %; "" for none."""

    names: tuple[Form, ...]
    codes: NDArray[np.int8]
    signs: Values


_NAMES: tuple[Form, ...] = (*dict.fromkeys(name for name, _ in _FORMS), "other")


def forms_of(cells: pa.StringArray) -> Forms:
    """The forms of stripped cells."""
    marked = pc.extract_regex(cells, _MARKED)
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
    return Forms(_NAMES, codes, signs.to_numpy(zero_copy_only=False))


def numbers_of(cells: pa.StringArray, decimal: str, *, is_whole: bool) -> pa.Array:
    """Cells of the forms that are numbers under a decimal mark, as int64 or float64; null stays null.

    Raises:
        pa.ArrowInvalid: a cell is of another form.
    """
    kind = pa.int64() if is_whole else pa.float64()
    marked = pc.extract_regex(cells, _MARKED)
    digits = pc.struct_field(marked, "digits")
    groups = r"[,\s'’_\x{a0}\x{202f}]" if decimal == "." else r"[.\s'’_\x{a0}\x{202f}]"
    digits = pc.replace_substring_regex(digits, groups, "")
    if decimal == ",":
        digits = pc.replace_substring(digits, ",", ".")
    minus = pc.or_(*(pc.is_in(pc.struct_field(marked, name), pa.array(["-", "−"])) for name in ("minus", "inner")))
    numbers = pc.if_else(minus, pc.binary_join_element_wise("-", digits, ""), digits).cast(kind)
    if numbers.null_count > cells.null_count:
        raise pa.ArrowInvalid("a cell is no number")
    return numbers
