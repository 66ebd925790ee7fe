"""Data of jobs: data references, opening files, reading headers."""

from ..columns import BOOLEAN_WORDS, TARGET_NAMES, ColumnKind, boolean_of, choices, listed, select_columns, time_of
from ..uploads import GLOB
from .cells import CURRENCY, MISSING, MISSING_NUMBERS
from .dialect import HEAD_BYTES, NO_SEPARATOR, Dialect, sniff
from .encodings import decoded_head, foreign_format, marked_encoding
from .files import file_system_of, open_file, reading
from .headers import columns_of, preflight, preflight_file
from .layout import Layout, laid_out
from .pictures import FILE, IMAGE, LABEL, MASK, MASKS, PICTURES, label_of_file, picture_columns
from .references import SAMPLES, Location, Partition, folder_of, locate, named_format, split, unknown_format

__all__ = [
    "BOOLEAN_WORDS",
    "CURRENCY",
    "FILE",
    "GLOB",
    "HEAD_BYTES",
    "IMAGE",
    "LABEL",
    "MASK",
    "MASKS",
    "MISSING",
    "MISSING_NUMBERS",
    "NO_SEPARATOR",
    "PICTURES",
    "SAMPLES",
    "TARGET_NAMES",
    "ColumnKind",
    "Dialect",
    "Layout",
    "Location",
    "Partition",
    "boolean_of",
    "choices",
    "columns_of",
    "decoded_head",
    "file_system_of",
    "folder_of",
    "foreign_format",
    "label_of_file",
    "laid_out",
    "listed",
    "locate",
    "marked_encoding",
    "named_format",
    "open_file",
    "picture_columns",
    "preflight",
    "preflight_file",
    "reading",
    "select_columns",
    "sniff",
    "split",
    "time_of",
    "unknown_format",
]
