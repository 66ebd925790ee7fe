"""What an app uploads, as files: a path as it is, a folder, a table, or arrays."""

import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..errors import InvalidArgument
from ..kinds.problems import short
from ..models.tensors import Array
from ..models.uploads import upload_name
from .tables import Rows, tensors_of

Uploadable = str | os.PathLike[str] | Rows
"""A path; or a table of pandas, polars or pyarrow, a dict of columns, a list of rows by name, an array, or a dict of
the arrays x and y."""

_MOST_FILES = 1_000_000
_LINES = 1_000


@dataclass(frozen=True)
class Source:
    """What is to be uploaded.

    Attributes:
        name: as its reference has it.
        files: by their paths below the folder; of a single file, one whose path is empty.
        is_folder: whether it is a folder.
    """

    name: str
    files: Mapping[str, Path]
    is_folder: bool = False


@contextmanager
def as_files(data: Uploadable, name: str | None) -> Iterator[Source]:
    """Have data as files, for the length of a with block.

    Args:
        name: None takes that of the path.

    Raises:
        InvalidArgument: there is no such file, or it is nothing that can be uploaded.
        InvalidJob: it is no table: its columns have different lengths, for example.
    """
    if isinstance(data, str | os.PathLike):
        yield _of_path(os.fspath(data), name)
        return
    with tempfile.TemporaryDirectory(prefix="stoker-") as folder:
        try:
            path = _written(data, Path(folder))
        except InvalidArgument:
            raise
        except (ValueError, TypeError, NotImplementedError) as error:
            # Of pandas, polars, pyarrow and UTF-8.
            raise InvalidArgument(f"the table cannot be written: {error}; correct its columns") from error
        stem = (name or "data").removesuffix(path.suffix)
        yield Source(upload_name(f"{stem}{path.suffix}", is_folder=False), {"": path})


def _of_path(place: str | bytes, name: str | None) -> Source:
    if not isinstance(place, str):
        raise InvalidArgument(f"a path to upload is text, got {short(place)}")
    if "://" in place and not place.startswith("file://"):
        raise InvalidArgument(f"{short(place)} is a URL, which workers read themselves: give it to the job as it is")
    if not place:
        raise InvalidArgument("an empty path was given to upload; name a file or a folder, and '.' for the current one")
    path = Path(place.removeprefix("file://")).expanduser().absolute()
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a name is too long
        raise InvalidArgument(f"there is no {short(str(path))}; check the path")
    own_name = name or path.resolve().name
    if path.is_dir():
        return Source(upload_name(own_name, is_folder=True), _files_below(path), is_folder=True)
    _require_file(path)
    return Source(upload_name(own_name, is_folder=False), {"": path})


def _files_below(root: Path) -> dict[str, Path]:
    """The files of a folder by their paths in it; hidden ones are left out, and links to files are followed."""
    files: dict[str, Path] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if Path(folder, name).is_symlink():
                raise InvalidArgument(
                    f"{Path(folder, name)} is a link to a folder, which may lead in a circle; copy what it leads to "
                    "into the folder, or upload that by itself"
                )
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder, name)
            _require_file(path)
            files[_checked(path.relative_to(root).as_posix())] = path
        if len(files) > _MOST_FILES:
            raise InvalidArgument(f"{root} has more than {_MOST_FILES:,} files; upload it as several folders")
    if not files:
        raise InvalidArgument(f"{root} is a folder without files; check the path")
    return files


def _checked(path: str) -> str:
    """A path that can be part of a reference."""
    if not path.isprintable():
        raise InvalidArgument(f"{path!r} has characters in it that cannot be shown; rename the file")
    return path


def _require_file(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise InvalidArgument(f"{path} is a link that leads nowhere; remove it")
    if not path.is_file():
        raise InvalidArgument(f"{path} is a pipe, a device or a socket; name a file")


def _written(data: Rows, folder: Path) -> Path:
    """A file of a table or of arrays; the same data give the same bytes."""
    if table := _parquet(data, folder / "table.parquet"):
        return table
    tensors = _arrays(data) or tensors_of(data)
    if isinstance(tensors, np.ndarray):
        tensors = {"x": tensors}
    if set(tensors) <= {"x", "y"} and "x" in tensors and all(array.dtype != object for array in tensors.values()):
        path = folder / "arrays.npz"
        np.savez(path, **cast(dict[str, Any], tensors))
        return path
    path = folder / "table.jsonl"
    _write_lines(tensors, path)
    return path


def _arrays(data: Rows) -> dict[str, Array] | None:
    """The arrays x and y, whose rows may be of several numbers; None for other data."""
    if isinstance(data, Mapping) and "x" in data and set(data) <= {"x", "y"}:
        return {name: np.asarray(array) for name, array in data.items()}
    return None


def _parquet(data: Any, path: Path) -> Path | None:
    """The file that a table's own library writes, which keeps its types; None where it has none, or cannot."""
    if hasattr(data, "write_parquet"):
        data.write_parquet(path)
    elif hasattr(data, "to_parquet"):
        try:
            data.to_parquet(path, index=False)
        except ImportError:
            return None
    elif hasattr(data, "column_names") and hasattr(data, "schema"):
        from pyarrow import parquet

        parquet.write_table(data, path)
    else:
        return None
    return path


def _write_lines(columns: Mapping[str, Array], path: Path) -> None:
    rows = len(next(iter(columns.values()), ()))
    with path.open("w") as file:
        for start in range(0, rows, _LINES):
            cells = [_plain(column[start : start + _LINES]) for column in columns.values()]
            file.writelines(
                json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, allow_nan=False) + "\n"
                for row in zip(*cells, strict=True)
            )


def _plain(values: Array) -> list[object]:
    if values.dtype.kind == "M":
        return [None if text == "NaT" else text for text in np.datetime_as_string(values).tolist()]
    return [_cell(value) for value in values.tolist()]


def _cell(value: object) -> object:
    """A value as JSON has it."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case list() | tuple() | np.ndarray():
            return [_cell(each) for each in (value.tolist() if isinstance(value, np.ndarray) else value)]
        case datetime() | date():
            return value.isoformat()
        case np.generic():
            return _cell(value.item())
        case None | bool() | int() | float() | str():
            return value
    raise InvalidArgument(f"a column holds {short(value)}; expected numbers, texts, times or lists of them")
