"""Tables as people export them are read as they are meant, or refused; none is read wrong without a word."""

from pathlib import Path

import pytest

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker.models.data import boolean_of
from stoker_workers.ml.data import open_source

from .exports import EXPORTS, Cell, Export, T


def is_same(value: object, cell: Cell) -> bool:
    match cell:
        case None:
            return value in (None, "NaT") or value != value  # NaN
        case T():
            return str(value).startswith(cell.iso)
        case bool():
            return isinstance(value, str) and boolean_of(value) is cell
        case str():
            return value == cell
        case _:
            return isinstance(value, int | float) and value == pytest.approx(cell)


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_an_export_is_read_as_it_is_meant_or_refused_by_its_place(export: Export, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(export.content)
    if export.read is None:
        with pytest.raises(InvalidJob, match=r"export\.csv") as refusal:
            open_source(str(path), "train", Access(["/"], "/"), tmp_path)
        assert export.refused in refusal.value.message
        return
    source = open_source(str(path), "train", Access(["/"], "/"), tmp_path)
    names = [column.name for column in source.columns]
    meant = [names[int(name[1:])] if name.startswith("*") else name for name in export.read]
    assert names == meant
    read: dict[str, list[object]] = {name: [] for name in names}
    for batch in source.batches(2):
        for name, values in batch.items():
            read[name] += [str(value) for value in values] if values.dtype.kind == "M" else values.tolist()
    for name, cells in zip(names, export.read.values(), strict=True):
        assert len(read[name]) == len(cells), name
        assert all(map(is_same, read[name], cells)), f"{name}: {read[name]}"
    assert export.said in "; ".join(source.notes)
