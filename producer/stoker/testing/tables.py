"""What the head of a table tells: its columns, and the classes in one of them."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from ..models.data import SAMPLES
from ..models.store import Store
from ..models.store.uploads import UploadStore
from ..models.uploads import SCHEME, parse_upload

# Rows that are looked at for what the columns are.
_LOOKED_AT = 1000
_HEAD_CHARACTERS = 4096
_SUFFIXES = (".csv", ".jsonl")

Row = Mapping[str, str]


def head_of(ref: str, store: Store) -> list[Row]:
    """The first rows of a .csv or .jsonl, on this machine or uploaded; none of other data."""
    path, suffix = Path(ref), Path(ref).suffix
    if ref.startswith(f"{SCHEME}://"):
        upload = parse_upload(ref)
        path = UploadStore(store.url).path_of(upload.digest) or path
    if suffix not in _SUFFIXES or not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        if suffix == ".jsonl":
            return list(islice(_objects(file), _LOOKED_AT))
        head = file.read(_HEAD_CHARACTERS)
        file.seek(0)
        separator = max(",;\t|", key=head.count)
        return list(islice(csv.DictReader(file, delimiter=separator, restval=""), _LOOKED_AT))


def columns_of(ref: str, rows: list[Row]) -> dict[str, str]:
    """The columns, each a "number" or a "category"; none where nothing tells them."""
    if not rows:
        return dict.fromkeys(SAMPLES.get(ref.removeprefix("sample://"), ()), "category")
    return {name: "number" if all(_is_number(row[name]) for row in rows) else "category" for name in rows[0]}


def classes_of(rows: list[Row], target: str | None) -> tuple[str, ...]:
    """The classes of a target; none if it is a number."""
    values = {row[target] for row in rows} if target else set()
    if all(map(_is_number, values)) and (len(values) > 20 or any("." in value for value in values)):
        return ()
    return tuple(sorted(values - {""}))


def _objects(lines: Iterable[str]) -> Iterator[Row]:
    for line in lines:
        yield {name: "" if value is None else str(value) for name, value in json.loads(line).items()}


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
