"""What all cells of a column of text say of its type, gathered block by block."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stoker.models.data import MISSING, MISSING_NUMBERS

from .dates import PATTERNS, times_of
from .numerals import DECIMALS, Form, forms_of
from .source import Mask

EXACT = 2**53
"""Up to here float64, which a column with gaps is of, holds every whole number; beyond, two may become one."""
_LONG = r"^[+\-]?[1-9]\d{15,17}$"
# A pattern that so few of a column's cells have had is given up.
_HOPELESS = 0.2


@dataclass(frozen=True)
class Markers:
    """The cells that mean no value: always, or in columns of numbers and times."""

    always: pa.StringArray
    in_numbers: pa.StringArray

    @classmethod
    def of(cls, stated: tuple[str, ...] | None) -> Self:
        """The stated ones and the empty cell; if none are, the usual ones."""
        if stated is None:
            return cls(pa.array(MISSING), pa.array(MISSING_NUMBERS))
        return cls(pa.array(["", *stated]), pa.array([], pa.string()))

    def missing(self, cells: pa.StringArray) -> Mask:
        """Which of some stripped cells are always missing."""
        return np.asarray(pc.is_in(cells, self.always))


@dataclass(frozen=True)
class Place:
    """A cell: of the file at `url`, in a row counted from 0."""

    url: str
    row: int
    cell: str


class Evidence:
    """How many cells of a column are written in which way, and the first of each.

    Args:
        markers: of missing values.
        has_numbers: whether text may be numbers, as in CSV; in JSON it is text.

    Attributes:
        missing: how often each marker stands for no value.
        weak: how often each marker stands that means no value in a column of numbers or times only.
        forms: how many of the other cells have each form.
        signs: how many numbers have each sign of a unit, such as %.
        times: how many cells are times of each pattern that is not hopeless.
        beyond: a whole number beyond `EXACT`; "" if there is none.
        first: the first cell of each form, and of each sign; "weak" for a weak marker, "negated" for a number below
            zero that has no minus before it.
    """

    def __init__(self, name: str, markers: Markers, *, has_numbers: bool = True) -> None:
        self.name = name
        self.rows = 0
        self.missing: Counter[str] = Counter()
        self.weak: Counter[str] = Counter()
        self.forms: Counter[Form] = Counter()
        self.signs: Counter[str] = Counter()
        self.times: Counter[str] = Counter()
        self.beyond = ""
        self.first: dict[str, Place] = {}
        self._not_time: dict[str, Place] = {}
        self._plain: Place | None = None
        self._markers = markers
        self._has_numbers = has_numbers
        self._patterns = set(PATTERNS)

    @property
    def present(self) -> int:
        """The number of cells that hold something, weak markers aside."""
        return sum(self.forms.values())

    def numbers(self, decimal: str) -> int:
        """The number of cells that are numbers under a decimal mark."""
        return sum(self.forms[form] for form in DECIMALS[decimal])

    def sure(self, decimal: str) -> int:
        """The number of cells that are numbers under no other decimal mark."""
        own: tuple[Form, Form] = ("point", "commas") if decimal == "." else ("comma", "points")
        return sum(self.forms[form] for form in own)

    def not_time(self, pattern: str) -> Place:
        """The first cell that is not of a pattern, of a column that has one."""
        places = [place for place in (self._not_time.get(pattern), self._plain) if place]
        return min(places, key=lambda place: (place.url, place.row))

    def add(self, cells: pa.StringArray, missing: Mask, url: str, first_row: int) -> None:
        """Add some stripped cells, of which the masked ones are missing."""
        self.rows += len(cells)
        if missing.any():
            self.missing.update(dict(_counts(cells.filter(pa.array(missing)))))
            present = cells.filter(pa.array(~missing))
        else:
            present = cells
        if not len(present):
            return
        if self._has_numbers and self._add_plain(present):
            if not self._plain:
                self._plain = Place(url, first_row + pc.index(cells, present[0]).as_py(), present[0].as_py())
            return
        counted = pc.value_counts(present)
        values, counts = counted.field("values"), np.asarray(counted.field("counts"))
        block = _Block(cells, values, counts, url, first_row)
        weak = np.asarray(pc.is_in(values, self._markers.in_numbers))
        if weak.any():
            self.weak.update(dict(zip(values.filter(pa.array(weak)).to_pylist(), counts[weak].tolist(), strict=True)))
            self.first.setdefault("weak", block.place(weak))
        self._add_forms(block, ~weak)

    def _add_plain(self, cells: pa.StringArray) -> bool:
        """Add cells if they are plain numbers, which need no closer look; False if they may not be."""
        try:
            whole = cells.cast(pa.int64())
        except pa.ArrowInvalid:
            pass
        else:
            if pc.all(pc.equal(whole.cast(pa.string()), cells)).as_py():
                self.forms["whole"] += len(cells)
                self._look_beyond(pc.min_max(whole).values())
                return True
            return False
        # Cells like 1.234 do not matter once the column is known to have decimals.
        if not self.forms["point"]:
            return False
        try:
            cells.cast(pa.float64())
        except pa.ArrowInvalid:
            return False
        if pc.any(pc.match_substring_regex(cells, r"^[+\-]?(?:0\d|\d{19,}$)")).as_py():
            return False
        self.forms["point"] += len(cells)
        return True

    def _look_beyond(self, numbers: Iterable[pa.Scalar]) -> None:
        self.beyond = self.beyond or next(
            (str(number) for number in numbers if number.is_valid and abs(int(number.as_py())) > EXACT), ""
        )

    def _add_forms(self, block: "_Block", chosen: Mask) -> None:
        others = chosen
        if self._has_numbers:
            forms = forms_of(block.values)
            others = chosen & (forms.codes == forms.names.index("other"))
            long = pc.match_substring_regex(block.values, _LONG).to_numpy(zero_copy_only=False)
            self._look_beyond(block.values.filter(pa.array(long & chosen)))
            for code, form in enumerate(forms.names):
                self._count(self.forms, form, block, chosen & (forms.codes == code))
            for sign in filter(None, dict.fromkeys(forms.signs.tolist())):
                self._count(self.signs, sign, block, chosen & ~others & (forms.signs == sign))
            negated = chosen & ~others & forms.negated
            if negated.any():
                self.first.setdefault("negated", block.place(negated))
        else:
            self._count(self.forms, "other", block, others)
        if others.any():
            self._add_times(block, chosen)

    def _count(self, counter: "Counter[Form] | Counter[str]", key: Form, block: "_Block", mask: Mask) -> None:
        if mask.any():
            counter[key] += int(block.counts[mask].sum())
            self.first.setdefault(key, block.place(mask))

    def _add_times(self, block: "_Block", chosen: Mask) -> None:
        for pattern in sorted(self._patterns):
            is_time = ~np.isnat(times_of(block.values, pattern))
            self.times[pattern] += int(block.counts[chosen & is_time].sum())
            if pattern not in self._not_time and (chosen & ~is_time).any():
                self._not_time[pattern] = block.place(chosen & ~is_time)
            if self.times[pattern] < _HOPELESS * self.present:
                self._patterns.remove(pattern)


@dataclass(frozen=True)
class _Block:
    """Some cells of a column: those that differ, and how often each is there."""

    cells: pa.StringArray
    values: pa.StringArray
    counts: NDArray[np.int64]
    url: str
    first_row: int

    def place(self, mask: Mask) -> Place:
        """The first of the masked values: values are in the order in which they are seen."""
        cell = self.values[int(np.argmax(mask))].as_py()
        return Place(self.url, self.first_row + pc.index(self.cells, cell).as_py(), cell)


def _counts(cells: pa.StringArray) -> Iterable[tuple[str, int]]:
    return ((entry["values"], entry["counts"]) for entry in pc.value_counts(cells).to_pylist())
