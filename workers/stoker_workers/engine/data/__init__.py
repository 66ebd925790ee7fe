"""Opening data: one `Source` for every kind of reference."""

from typing import Literal

from stoker.data import locate

from .arrays import load_arrays
from .samples import load_sample
from .source import Arrays, Column, Rows, Source, Values, file_bytes

__all__ = ["Arrays", "Column", "Rows", "Source", "Values", "open_source"]

IN_MEMORY_BYTES = 128 << 20
"""Tables and records below this are loaded once; larger ones are streamed on every pass."""


def open_source(ref: str, part: Literal["train", "test"]) -> Source:
    """The rows behind a data reference.

    Args:
        ref: a data reference.
        part: which part of a sample set; files are taken whole either way.

    Raises:
        InvalidJob: the data is not there, or malformed.
        Unavailable: the file system that holds it cannot be reached.
    """
    location = locate(ref)
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
