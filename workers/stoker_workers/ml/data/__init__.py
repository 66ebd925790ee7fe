"""Opening data: one `Source` for every kind of reference."""

from pathlib import Path
from typing import Literal

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker.models.data import Location, reading

from .arrays import load_arrays
from .reach import reach
from .samples import load_sample
from .source import Arrays, Column, RowRange, Source, Values, file_bytes, rebatched

__all__ = ["Arrays", "Column", "RowRange", "Source", "Values", "open_source", "rebatched"]

IN_MEMORY_BYTES = 128 << 20
"""Tables and TFRecords below this are loaded once; larger ones are streamed on every pass."""


def open_source(ref: str, subset: Literal["train", "test"], access: Access, scratch: Path) -> Source:
    """The rows of a data reference.

    Args:
        ref: a data reference.
        subset: of a sample set; files are read completely for either.
        access: which data may be read.
        scratch: a folder for copies from web servers, which the source reads as long as it is used.

    Raises:
        InvalidJob: the data is missing or malformed.
        Unavailable: its file system cannot be reached.
    """
    with reading(ref):
        source = _opened(reach(ref, access, scratch), subset)
    for column in source.columns:
        if 0 in column.shape:
            raise InvalidJob(f"column {column.name!r} of {ref} has rows of shape {column.shape}, which hold nothing")
    if not source.columns:
        raise InvalidJob(f"{ref} has no columns; give data with at least one")
    return source


def _opened(location: Location, subset: Literal["train", "test"]) -> Source:
    if location.sample:
        return load_sample(location.sample, subset)
    if location.format == "npz":
        return load_arrays(location.urls)
    if location.format == "tfrecord":
        # Imports TensorFlow, which a program that only reads samples need not wait for.
        from .tfrecords import RecordStream, load_records

        small = sum(map(file_bytes, location.urls)) < IN_MEMORY_BYTES
        return load_records(location.urls) if small else RecordStream(location.urls)
    # pyarrow takes a quarter of a second to import, which jobs on arrays need not pay.
    from .tables import TableStream, load_table, table_bytes

    small = sum(table_bytes(url, location.format) for url in location.urls) < IN_MEMORY_BYTES
    return load_table(location.urls, location.format) if small else TableStream(location.urls, location.format)
