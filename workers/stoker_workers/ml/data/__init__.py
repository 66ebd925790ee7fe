"""Opening data: one `Source` for every kind of reference."""

from pathlib import Path
from typing import Literal

from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker.models.data import Location, reading

from .arrays import load_arrays
from .reach import reach
from .samples import load_sample
from .source import Arrays, Column, Rows, Source, Values, file_bytes

__all__ = ["Arrays", "Column", "Rows", "Source", "Values", "open_source"]

IN_MEMORY_BYTES = 128 << 20
"""Tables and records below this are loaded once; larger ones are streamed on every pass."""


def open_source(ref: str, part: Literal["train", "test"], access: Access, scratch: Path) -> Source:
    """The rows behind a data reference.

    Args:
        ref: a data reference.
        part: which part of a sample set; files are taken whole either way.
        access: what may be read.
        scratch: a folder for copies of what is on web servers, which the source reads as long as it is used.

    Raises:
        InvalidJob: the data is not there, or malformed.
        Unavailable: the file system that holds it cannot be reached.
    """
    with reading(ref):
        source = _opened(reach(ref, access, scratch), part)
    for column in source.columns:
        if 0 in column.shape:
            raise InvalidJob(f"column {column.name!r} of {ref} has rows of shape {column.shape}, which hold nothing")
    if not source.columns:
        raise InvalidJob(f"{ref} has no columns; give data with at least one")
    return source


def _opened(location: Location, part: Literal["train", "test"]) -> Source:
    if location.sample:
        return load_sample(location.sample, part)
    if location.format == "npz":
        return load_arrays(location.urls)
    if location.format == "tfrecord":
        # TensorFlow, which a program that only looks at samples need not wait for.
        from .records import RecordStream, load_records

        small = sum(map(file_bytes, location.urls)) < IN_MEMORY_BYTES
        return load_records(location.urls) if small else RecordStream(location.urls)
    # pyarrow takes a quarter of a second to import, which jobs on arrays need not pay.
    from .tables import TableStream, load_table, table_bytes

    small = sum(table_bytes(url, location.format) for url in location.urls) < IN_MEMORY_BYTES
    return load_table(location.urls, location.format) if small else TableStream(location.urls, location.format)
