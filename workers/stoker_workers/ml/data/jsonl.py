"""Columns of JSON files, of which the keys of the objects are the columns."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stoker.errors import InvalidJob
from stoker.models.data import ColumnKind, reading
from stoker.models.formats import Stated

from .evidence import EXACT, Evidence, Markers, Place
from .json_kinds import MEMBERS, SCALARS, kind_of, merged
from .json_records import Record, json_records
from .plans import Plan, Rules, Where, plan, too_long
from .source import Column, ColumnType, Values
from .table import gap_notes
from .text import find_encoding
from .values import Misfit, values_of

_BLOCK_ROWS = 4_096
# Where at most this share of a column's values are of another kind than the rest, they are taken for errors.
_STRAYS = 0.1
_SHOWN = 40


class JsonTable:
    """Files of objects; a column is what any of them has as a key.

    Args:
        stated: what need not be found by looking.
        types: of columns whose type is known.
        kinds: what columns hold, by the user.

    Attributes:
        size: the bytes of all text, decompressed.
    """

    def __init__(
        self, urls: Sequence[str], stated: Stated, types: Mapping[str, ColumnType], kinds: Mapping[str, ColumnKind]
    ) -> None:
        self._urls = tuple(urls)
        self._encodings: list[str] = []
        self.size = 0.0
        notes = []
        for url in urls:
            encoding, text_bytes, note = find_encoding(url, stated.encoding)
            self._encodings.append(encoding)
            self.size += text_bytes
            notes += [f"{url}: {note}"] if note else []
        self._markers = Markers.of(stated.missing)
        self._columns: dict[str, _Column] = {}
        self.rows = [self._look_at(file, types) for file in range(len(urls))]
        for name, column in self._columns.items():
            column.decide(sum(self.rows), self._where, kinds.get(name))
        self.columns = tuple(column.column for column in self._columns.values())
        gaps = {name: (column.gaps, column.gap_markers) for name, column in self._columns.items() if column.gaps}
        self.notes = (
            *notes,
            *(column.note for column in self._columns.values() if column.note),
            *gap_notes(gaps, sum(self.rows)),
        )

    def pieces(self, file: int) -> Iterator[dict[str, Values]]:
        first_row = 0
        for records in self._blocks(file):
            yield {name: self._values(column, records, file, first_row) for name, column in self._columns.items()}
            first_row += len(records)

    def _values(self, column: "_Column", records: Sequence[Record], file: int, first_row: int) -> Values:
        try:
            return column.values([record.get(column.name) for record in records])
        except Misfit as misfit:
            place = Place(self._urls[file], first_row + misfit.row, "")
            raise InvalidJob(f"{self._where(place)}, {column.name!r}: {misfit.what}; {misfit.fix}") from None

    def _look_at(self, file: int, types: Mapping[str, ColumnType]) -> int:
        """Let the columns see a file's records; gives their number."""
        url, rows = self._urls[file], 0
        for records in self._blocks(file):
            for name in dict.fromkeys(name for record in records for name in record):
                if name not in self._columns:
                    self._columns[name] = _Column(name, types.get(name), self._markers)
            for name, column in self._columns.items():
                column.look_at([record.get(name) for record in records], url, rows)
            rows += len(records)
        return rows

    def _blocks(self, file: int) -> Iterator[list[Record]]:
        records = (record for record, _ in self._records(file))
        while block := list(islice(records, _BLOCK_ROWS)):
            yield block

    def _records(self, file: int) -> Iterator[tuple[Record, int]]:
        """The records of a file, and their lines."""
        with reading(self._urls[file]):
            yield from json_records(self._urls[file], self._encodings[file])

    def _where(self, place: Place) -> str:
        records = self._records(self._urls.index(place.url))
        line = next((line for row, (_, line) in enumerate(records) if row == place.row), place.row + 1)
        return f"{place.url}, line {line}"


class _Column:
    """A column of JSON values: they are looked at, then its type is decided, then they are read."""

    def __init__(self, name: str, wanted: ColumnType | None, markers: Markers) -> None:
        self.name = name
        self.gaps = 0
        self.note = ""
        self._wanted = wanted
        self._markers = markers
        self._evidence = Evidence(name, markers, has_numbers=wanted is not None)
        self._kinds: Counter[str] = Counter()
        self._lengths: set[int] = set()
        self._first: dict[str, Place] = {}
        self._beyond: int | None = None
        self._plan: Plan | None = None

    @property
    def gap_markers(self) -> list[str]:
        return [marker or "null" for marker, _ in self._evidence.missing.most_common()]

    def look_at(self, values: Sequence[Any], url: str, first_row: int) -> None:
        """Count kinds of values."""
        kinds = [kind_of(value) for value in values]
        for kind, count in Counter(kinds).items():
            self._kinds[kind] += count
            if kind not in self._first:
                at = kinds.index(kind)
                self._first[kind] = Place(url, first_row + at, json.dumps(values[at], ensure_ascii=False)[:_SHOWN])
        if self._beyond is None and not {"whole", "huge"}.isdisjoint(kinds):
            whole = (value for value, kind in zip(values, kinds, strict=True) if kind in ("whole", "huge"))
            self._beyond = next((value for value in whole if abs(value) > EXACT), None)
        if not {"numbers", "texts", "empty"}.isdisjoint(kinds):
            self._lengths.update(len(value) for value in values if isinstance(value, list))
        if "text" in kinds or self._wanted:
            texts = _texts(values)
            self._evidence.add(texts, self._markers.missing(texts), url, first_row)

    def decide(self, rows: int, where: Where, chosen: ColumnKind | None) -> None:
        """Choose the type, once everything was looked at."""
        is_text = chosen not in (None, "number", "time")
        if empty := self._kinds.pop("empty", 0):  # of texts as well as of numbers
            kind = "texts" if "texts" in self._kinds else "numbers"
            self._kinds[kind] += empty
            self._first.setdefault(kind, self._first["empty"])
        present = {kind: count for kind, count in self._kinds.items() if kind != "null"}
        nothing = rows - sum(present.values())
        # Blocks without text, and those before the first record with the key, were not looked at.
        self._evidence.missing[""] += rows - self._evidence.rows
        self.gaps = nothing
        if self._wanted == "number" and present.keys() == {"bool"}:  # truth is 0 or 1, as it is to a forecast
            self._set("float64")
            return
        if self._wanted:
            self._decide_wanted(present, where)
            return
        names = merged(present)
        match sorted(names):
            case []:
                self._set("float64")
            case ["text"]:
                self._plan = plan(self._evidence, None, Rules(where), is_text=is_text)
                self.note = self._plan.note
                self.gaps = self._plan.gaps
                self._set(self._plan.dtype)
            case [("bool") as kind]:
                self._set("float64" if nothing else kind)
            case ["number"] if self._must_be_text(present, has_gaps=nothing > 0) and chosen != "number":
                self._plan = Plan(self.name, "string", gaps=nothing)
                self.note = too_long(self.name, self._beyond)
                self._set("string")
            case ["number"]:
                is_whole = not nothing and set(present) == {"whole"}
                self._set("int64" if is_whole else "float64")
            case ["numbers"] if len(self._lengths) == 1 and 0 not in self._lengths and not nothing:
                self._set("float64", (self._lengths.copy().pop(),))
            case ["numbers"] | ["texts"]:
                self._set("list")
            case ["other"]:
                self._set("object")
            case _ if is_text and not SCALARS.issuperset(names):
                self._set("object")
            case _:
                self._decide_mixed(names, where, is_text=is_text)

    def _must_be_text(self, present: Mapping[str, int], *, has_gaps: bool) -> bool:
        """Whether a column of whole numbers has some that its type would not hold."""
        return self._beyond is not None and "float" not in present and (has_gaps or "huge" in present)

    def _decide_wanted(self, present: Mapping[str, int], where: Where) -> None:
        if lists := present.keys() & {"numbers", "texts", "other"}:
            place = self._first[min(lists)]
            raise InvalidJob(f"{where(place)}, {self.name!r}: {place.cell} is no {self._wanted}; convert it")
        self._plan = plan(self._evidence, self._wanted, Rules(where))
        self.gaps = self._plan.gaps
        self._set(self._plan.dtype_of_column)

    def _decide_mixed(self, names: Mapping[str, int], where: Where, *, is_text: bool) -> None:
        least = min(names, key=lambda name: names[name])
        total = sum(names.values())
        is_scalar = SCALARS.issuperset(names)
        if not is_scalar or (names[least] <= _STRAYS * total and not is_text):
            place = next(self._first[kind] for kind in self._first if kind in MEMBERS[least])
            raise InvalidJob(
                f"{where(place)}, {self.name!r}: {place.cell} is of another kind than nearly all of its {total:,} "
                f"values; correct it, or set columns={{{self.name!r}: {'category' if is_scalar else 'ignore'!r}}}"
            )
        self._plan = Plan(self.name, "string", gaps=self.gaps)
        self.note = f"{self.name}: read as text, for it holds {' and '.join(sorted(names))}"
        self._set("string")

    def _set(self, dtype: str, shape: tuple[int, ...] = ()) -> None:
        self.column = Column(self.name, dtype, shape)

    def values(self, values: Sequence[Any]) -> Values:
        """JSON values as an array."""
        if self._plan:
            return values_of(self._plan, _texts(values), self._markers)
        match self.column.dtype:
            case "list":
                return _lists(values)
            case "object":
                return _objects(values)
            case "float64":
                numbers = [np.nan if value is None else value for value in values]
                return np.array(numbers, np.float64).reshape(len(values), *self.column.shape)
            case dtype:
                return np.array(values, dtype)


def _texts(values: Sequence[Any]) -> pa.StringArray:
    """Values as stripped text; "" for null."""
    texts = ["" if value is None else value if isinstance(value, str) else json.dumps(value) for value in values]
    return pc.ascii_trim_whitespace(pa.array(texts, pa.string()))


def _lists(values: Sequence[Any]) -> Values:
    lists = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        if value is not None:
            is_numbers = all(isinstance(entry, int | float) for entry in value)
            lists[row] = np.array(value, np.float64) if is_numbers else value
    return lists


def _objects(values: Sequence[Any]) -> Values:
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects
