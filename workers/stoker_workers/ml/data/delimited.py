"""Columns of .csv and .tsv files: text first, then typed by all of its cells."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stoker.errors import InvalidJob
from stoker.models.data import NO_SEPARATOR, ColumnKind, reading
from stoker.models.formats import Stated, format_by_suffix

from .evidence import Evidence, Markers, Place
from .plans import Plan, Rules, plan, vote
from .quotes import guarded
from .separated import TextFile, batches_of, below_header, damage, looked_at, numbered_rows
from .source import Column, ColumnType, Values
from .table import gap_notes, index_note, is_index, require_same_names
from .values import Misfit, values_of

_SEPARATOR_NAMES = {"\t": "tabs", " ": "spaces"}


class DelimitedTable:
    """Files of separated cells, whose columns' types are chosen by all cells of all files.

    Args:
        stated: what need not be found by looking.
        types: of columns whose type is known.
        kinds: what columns hold, by the user.

    Attributes:
        size: the bytes of all text, decompressed.
    """

    def __init__(
        self,
        urls: Sequence[str],
        stated: Stated,
        types: Mapping[str, ColumnType],
        kinds: Mapping[str, ColumnKind],
    ) -> None:
        self._files = [looked_at(url, stated) for url in urls]
        first = self._files[0]
        for file in self._files:
            require_same_names(file.names, first.names, file.url, first.url)
        self.size = float(sum(file.text_bytes for file in self._files))
        self._markers = Markers.of(stated.missing)
        known = types.keys() | kinds.keys()
        self._has_blank: set[str] = set()
        evidence, self.rows = self._gather(first.names)
        indexes = [name for name in first.names if name not in known and _is_index(name, evidence[name], first)]
        hollow = [name for name in first.names if name not in known and _is_hollow(name, evidence[name], first)]
        rules = Rules(
            self._where, _decimal(stated), vote([*evidence.values()]), _usual(first), has_groups=stated.thousands != ""
        )
        self._plans = [
            plan(evidence[name], types.get(name) or _type_of(kinds.get(name)), rules, is_text=_is_text(kinds.get(name)))
            for name in first.names
            if name not in indexes and name not in hollow
        ]
        self.columns = tuple(Column(plan.name, plan.dtype_of_column) for plan in self._plans)
        self.notes = (
            *_notes(self._files, stated, rules, self._plans),
            *(f"{file}: rows without any value are left out" for file in sorted(self._has_blank)),
            *([index_note(indexes)] if indexes else []),
            *(f"{name}: left out, for it has neither name nor values" for name in hollow),
            *filter(None, (plan.note for plan in self._plans)),
            *gap_notes(
                {plan.name: _gaps(plan, evidence[plan.name]) for plan in self._plans if plan.gaps}, sum(self.rows)
            ),
        )

    def pieces(self, file: int) -> Iterator[dict[str, Values]]:
        first_row = 0
        for cells in self._cells(self._files[file]):
            yield {plan.name: self._values(plan, cells[plan.name], file, first_row) for plan in self._plans}
            first_row += len(cells[self._plans[0].name])

    def _values(self, plan: Plan, cells: pa.StringArray, file: int, first_row: int) -> Values:
        try:
            return values_of(plan, cells, self._markers)
        except Misfit as misfit:
            place = Place(self._files[file].url, first_row + misfit.row, cells[misfit.row].as_py())
            raise InvalidJob(
                f"{self._where(place)}, column {plan.name!r}: {place.cell[:40]!r} is {misfit.what}; correct it, or add "
                "it to missing"
            ) from None

    def _gather(self, names: Sequence[str]) -> tuple[dict[str, Evidence], list[int]]:
        """What all cells say, and the number of rows of each file."""
        evidence = {name: Evidence(name, self._markers) for name in names}
        rows = []
        for file in self._files:
            count = 0
            for cells in self._cells(file):
                for name, column in cells.items():
                    evidence[name].add(column, self._markers.missing(column), file.url, count)
                count += len(cells[names[0]])
            rows.append(count)
        return evidence, rows

    def _cells(self, file: TextFile) -> Iterator[dict[str, pa.StringArray]]:
        """The stripped cells of a file, some rows at a time.

        Raises:
            InvalidJob: a row has more or fewer cells than there are columns, or a quote is not closed.
        """
        is_ragged = False

        def refuse(_row: object) -> str:
            nonlocal is_ragged
            is_ragged = True
            return "error"

        blocks = guarded(below_header(file), file.dialect, file.url)
        with reading(file.url, damage):
            try:
                for batch in batches_of(file, blocks, refuse):
                    cells = {name: pc.ascii_trim_whitespace(batch.column(at)) for at, name in enumerate(file.names)}
                    if batch.num_rows and (filled := self._filled(cells, file)):
                        yield filled
            except pa.ArrowInvalid:
                if not is_ragged:
                    raise
        if is_ragged:
            raise self._ragged(file)

    def _filled(self, cells: dict[str, pa.StringArray], file: TextFile) -> dict[str, pa.StringArray]:
        """The rows that are not blank, as lines of separators alone are; nothing if none is."""
        blank = np.ones(len(cells[file.names[0]]), np.bool_)
        for column in cells.values():
            blank &= np.asarray(pc.equal(column, ""))
            if not blank.any() or len(cells) == 1:
                return cells
        self._has_blank.add(file.short)
        if blank.all():
            return {}
        chosen = pa.array(~blank)
        return {name: column.filter(chosen) for name, column in cells.items()}

    def _where(self, place: Place) -> str:
        file = next(file for file in self._files if file.url == place.url)
        filled = (line for cells, line in numbered_rows(file) if len(cells) == 1 or any(map(str.strip, cells)))
        line = next((line for row, line in enumerate(filled) if row == place.row), None)
        return f"{place.url}, line {line}" if line else f"{place.url}, row {place.row + 1}"

    def _ragged(self, file: TextFile) -> InvalidJob:
        width = len(file.names)
        for cells, line in numbered_rows(file):
            if len(cells) != width:
                than = "the header has" if file.dialect.has_header else "the first row has"
                return InvalidJob(
                    f"{file.url}, line {line}: {len(cells)} cells, but {than} {width}; correct the line, or set "
                    "separator or quote if the cells are not what they should be"
                )
        return InvalidJob(f"{file.url}: not every line has {width} cells, as the header has; correct the file")


def _is_index(name: str, evidence: Evidence, file: TextFile) -> bool:
    """Whether a column only numbers the rows: it has a tool's name for that, or is the first, nameless."""
    is_whole = evidence.forms["whole"] == evidence.rows > 0
    is_first = file.dialect.has_header and name == file.names[0] and not file.dialect.names[0]
    return is_whole and (is_index(name) or is_first) and len(file.names) > 1


def _is_hollow(name: str, evidence: Evidence, file: TextFile) -> bool:
    """Whether a column is there only because each line ends with a separator."""
    is_nameless = not file.dialect.names[file.names.index(name)]
    return is_nameless and not evidence.present and not evidence.weak and len(file.names) > 1


def _decimal(stated: Stated) -> str | None:
    """The stated decimal mark, or the one that the stated mark of groups leaves."""
    return stated.decimal or {".": ",", ",": "."}.get(stated.thousands or "")


def _usual(file: TextFile) -> Literal[".", ""]:
    return "." if file.dialect.separator != ";" else ""


def _type_of(kind: ColumnKind | None) -> ColumnType | None:
    return "number" if kind == "number" else "time" if kind == "time" else None


def _is_text(kind: ColumnKind | None) -> bool:
    return kind is not None and kind not in ("number", "time")


def _gaps(plan: Plan, evidence: Evidence) -> tuple[int, list[str]]:
    markers = evidence.missing if plan.dtype == "string" else evidence.missing + evidence.weak
    return plan.gaps, [marker for marker, _ in markers.most_common()]


def _notes(files: Sequence[TextFile], stated: Stated, rules: Rules, plans: Sequence[Plan]) -> list[str]:
    """What was found of how the files are written, where it is not as usual."""
    notes = []
    has_comma = any(plan.decimal == "," for plan in plans if plan.dtype in ("int64", "float64"))
    for file in files:
        dialect = file.dialect
        found = []
        if dialect.separator not in (",", NO_SEPARATOR):
            found.append(f"separated by {_SEPARATOR_NAMES.get(dialect.separator) or repr(dialect.separator)}")
        if has_comma and rules.stated is None:
            found.append("decimal comma")
        if file.encoding.startswith("utf-16"):
            found.insert(0, f"read as {file.encoding}")
        if not stated.format and format_by_suffix(file.url) is None:
            found.insert(0, "taken for a table of text")
        if found:
            notes.append(f"{file.short}: {', '.join(found)}")
        notes += [f"{file.short}: {note}" for note in file.notes]
    return notes
