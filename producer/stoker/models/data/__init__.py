"""Data of jobs: data references, opening files, reading headers."""

from .columns import BOOLEAN_WORDS, TARGET_NAMES, ColumnKind, boolean_of, listed, select_columns, time_of
from .files import file_system_of, open_file, reading
from .headers import preflight
from .references import FORMATS, GLOB, SAMPLES, Format, Location, format_of, locate, split

__all__ = [
    "BOOLEAN_WORDS",
    "FORMATS",
    "GLOB",
    "SAMPLES",
    "TARGET_NAMES",
    "ColumnKind",
    "Format",
    "Location",
    "boolean_of",
    "file_system_of",
    "format_of",
    "listed",
    "locate",
    "open_file",
    "preflight",
    "reading",
    "select_columns",
    "split",
    "time_of",
]
