"""Messy CSV files: nearly all are read as they are meant, the rest is refused by its place, none is read wrong."""

import re
from datetime import date, datetime
from pathlib import Path

import pytest

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker_workers.ml.data import Source, Values, open_source

from .messy import Cell, Messy, messy

LEAST_SHARE_READ = 0.95


def outcome(file: Messy, folder: Path) -> str:
    """What comes of a file: "right", "refused", or what is wrong."""
    path = folder / "messy.csv"
    path.write_bytes(file.content)
    try:
        source = open_source(str(path), "train", Access(["/"], "/"), folder)
        [read] = source.batches(1_000)
    except InvalidJob as error:
        place = re.search(r"messy\.csv(, line \d+)?", error.message)
        return "refused" if place else f"refused without a place: {error.message}"
    return wrong(source, read, file) or "right"


def wrong(source: Source, read: dict[str, Values], file: Messy) -> str:
    """The first column that is not as it was meant; "" if all are."""
    names = list(file.columns) if file.has_names else [f"column_{at}" for at in range(1, len(file.columns) + 1)]
    if [column.name for column in source.columns] != names:
        return f"columns {[column.name for column in source.columns]} {source.notes}"
    for (name, meant), column in zip(file.columns.items(), source.columns, strict=True):
        values = read[column.name]
        if len(values) != len(meant) or not all(map(is_same, values.tolist(), meant)):
            return f"{name} of {column.dtype}: {values.tolist()} {source.notes}"
    return ""


def is_same(value: object, cell: Cell) -> bool:
    match cell:
        case None:
            return value is None or value != value  # NaN
        case str():
            return value == cell
        case date():
            return isinstance(value, datetime) and value.date() == cell
        case _:
            return isinstance(value, int | float) and value == pytest.approx(cell)


@pytest.mark.parametrize("seeds", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_messy_files_are_read_as_they_are_meant_or_refused(seeds: int, tmp_path: Path) -> None:
    outcomes = {seed: outcome(messy(seed), tmp_path) for seed in range(seeds)}
    bad = {messy(seed).recipe: what for seed, what in outcomes.items() if what not in ("right", "refused")}
    assert not bad
    assert sum(what == "right" for what in outcomes.values()) >= LEAST_SHARE_READ * seeds
