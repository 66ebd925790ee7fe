"""Files of many programs and countries: read as they are meant, or refused by their place; none is read wrong."""

import re
from datetime import datetime
from math import isclose
from pathlib import Path

import pytest

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker_workers.ml.data import open_source

from .foreign import FILES, At, Either, File


def outcome(file: File, folder: Path) -> str:
    """What comes of a file: "right", "refused", or what is wrong."""
    path = folder / file.name
    path.write_bytes(file.content)
    try:
        source = open_source(str(path), "train", Access(["/"], "/"), folder)
        [read] = source.batches(1_000)
    except InvalidJob as error:
        return "refused" if re.search(r"line \d+", error.message) else f"refused without a line: {error.message}"
    if not file.columns:
        return f"read, though no table: {list(read)}"
    notes = "; ".join(source.notes)
    is_index = "'column_1': left out, for it numbers the rows" in notes
    expected = {name: values for name, values in file.columns.items() if name or not is_index}
    if [column.name for column in source.columns] != [
        name or f"column_{at}" for at, name in enumerate(file.columns, 1) if name in expected
    ]:
        return f"columns {[column.name for column in source.columns]}: {notes}"
    for column, (name, meant) in zip(source.columns, expected.items(), strict=True):
        values = read[column.name].tolist()
        if len(values) != len(meant) or not all(map(is_same, values, meant)):
            return f"{name} of {column.dtype}: {values}; {notes}"
    return "right"


def is_same(value: object, meant: object) -> bool:
    match meant:
        case Either(values):
            return any(is_same(value, each) for each in values)
        case At(as_written, meaning):
            return value == (datetime.fromisoformat(meaning) if isinstance(value, datetime) else as_written)
        case None:
            return value is None or value != value  # NaN
        case float() | int():
            return isinstance(value, int | float) and (value == meant or isclose(value, meant))
        case list():
            return (value.tolist() if hasattr(value, "tolist") else value) == meant
    return value == meant


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_is_read_as_it_is_meant_or_refused(file: File, tmp_path: Path) -> None:
    assert outcome(file, tmp_path) in ("right", "refused")
