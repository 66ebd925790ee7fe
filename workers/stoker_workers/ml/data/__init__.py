"""Opening data: one `Source` for every kind of reference."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from stoker.errors import InvalidJob
from stoker.kinds import Data, as_data
from stoker.models.access import Access
from stoker.models.data import Location, folder_of, reading
from stoker.models.formats import Stated

from .arrays import load_arrays
from .images import PictureSource, Wanted, open_folder, with_pictures
from .joined import Joined, Part
from .reach import reach
from .samples import load_sample
from .source import Arrays, Column, ColumnType, RowRange, Source, Values, file_bytes, loaded, rebatched

__all__ = [
    "Arrays",
    "Column",
    "ColumnType",
    "Joined",
    "Part",
    "RowRange",
    "Source",
    "Values",
    "Wanted",
    "open_source",
    "rebatched",
]

IN_MEMORY_BYTES = 128 << 20
"""Tables and TFRecords below this are loaded once; larger ones are streamed on every pass."""

_UNKNOWN: Mapping[str, ColumnType] = MappingProxyType({})


def open_source(
    data: str | Data,
    subset: Literal["train", "test"],
    access: Access,
    scratch: Path,
    *,
    types: Mapping[str, ColumnType] | None = None,
    names: Iterable[str] = (),
    pictures: Wanted = Wanted(),  # noqa: B008  # frozen
    note: Callable[[Location], None] | None = None,
) -> Source:
    """The rows of data.

    Args:
        data: a data reference, or one and how to read it.
        subset: of a sample set; files are read completely for either.
        access: which data may be read.
        scratch: a folder for copies from web servers, which the source reads as long as it is used.
        types: of the columns that a model takes: cells of tables are read as these, or refused.
        names: of columns that are used, which tell a header from a row.
        pictures: what becomes of pictures.
        note: learns which files they are, before one is read.

    Raises:
        InvalidJob: the data is missing or malformed.
        Unavailable: its file system cannot be reached.
    """
    data = as_data(data)
    with reading(data.ref):
        location = reach(data.ref, access, scratch, data.format)
        if note:
            note(location)
        types = _UNKNOWN if types is None else types
        stated = data.stated.using(*types, *names)
        source = _opened(location, data, stated, subset, types, access, scratch, pictures)
    for column in source.columns:
        if 0 in column.shape:
            raise InvalidJob(f"column {column.name!r} of {data} has rows of shape {column.shape}, which hold nothing")
    if not source.columns:
        raise InvalidJob(f"{data} has no columns; give data with at least one")
    return source


def _opened(
    location: Location,
    data: Data,
    stated: Stated,
    subset: Literal["train", "test"],
    types: Mapping[str, ColumnType],
    access: Access,
    scratch: Path,
    pictures: Wanted,
) -> Source:
    if location.sample:
        return load_sample(location.sample, subset)
    match location.format:
        case "npz":
            return load_arrays(location.urls, location.partitions)
        case "images":
            return open_folder(location, subset, pictures, scratch)
        case "tfrecord":
            # Imports TensorFlow, which a program that only reads samples need not wait for.
            from .features import PICTURE
            from .tfrecords import RecordStream

            records = RecordStream(location.urls, location.partitions, types)
            if encoded := [column.name for column in records.columns if column.dtype == PICTURE]:
                return PictureSource(records, dict.fromkeys(encoded, bytes), pictures, scratch)
            return loaded(records) if sum(map(file_bytes, location.urls)) < IN_MEMORY_BYTES else records
    # pyarrow takes a quarter of a second to import, which jobs on arrays need not pay.
    from .columnar import ColumnarTable
    from .delimited import DelimitedTable
    from .evidence import Markers
    from .jsonl import JsonTable
    from .table import Table, TableStream

    table: Table
    match location.format:
        case "csv":
            table = DelimitedTable(location.urls, stated, types, data.columns)
        case "jsonl":
            table = JsonTable(location.urls, stated, types, data.columns)
        case columnar:
            table = ColumnarTable(location.urls, columnar, Markers.of(data.missing), types, data.columns)
    stream = TableStream(table, location.partitions, types)
    rows = loaded(stream) if table.size < IN_MEMORY_BYTES else stream
    return with_pictures(rows, folder_of(data.ref), pictures, data.columns, access, scratch)
