"""Data of jobs: data references, opening files, reading headers."""

from .columns import ColumnKind, select_columns
from .files import file_system_of, open_file, reading
from .headers import preflight
from .references import FORMATS, GLOB, SAMPLES, Format, Location, format_of, locate, split

__all__ = [
    "FORMATS",
    "GLOB",
    "SAMPLES",
    "ColumnKind",
    "Format",
    "Location",
    "file_system_of",
    "format_of",
    "locate",
    "open_file",
    "preflight",
    "reading",
    "select_columns",
    "split",
]
