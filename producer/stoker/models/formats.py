"""The formats of data files: the suffixes that name them, and what can be said of one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

Format = Literal["npz", "csv", "jsonl", "parquet", "arrow", "tfrecord", "images"]
FORMATS: tuple[Format, ...] = get_args(Format)

PICTURES = ("jpg", "jpeg", "png", "bmp", "gif", "webp")
"""The suffixes of pictures."""
SUFFIXES: Mapping[str, Format] = MappingProxyType(
    {
        **{name: name for name in FORMATS if name != "images"},
        "tsv": "csv",
        "ndjson": "jsonl",
        "feather": "arrow",
        **dict.fromkeys(PICTURES, "images"),
    }
)
COMPRESSIONS = ("gz", "zst", "bz2")
_COMPRESSED: tuple[Format, ...] = ("csv", "jsonl")


@dataclass(frozen=True)
class Stated:
    """What is said of data, rather than found: see `stoker.Data`.

    Attributes:
        names: of columns that are used: a first line with one of them is a header.
    """

    format: Format | None = None
    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    quote: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] | None = None
    names: frozenset[str] = frozenset()

    def using(self, *columns: str) -> "Stated":
        """The same with further columns that are used."""
        return replace(self, names=self.names.union(columns))


def format_by_suffix(name: str) -> Format | None:
    """The format of a file by its name: `a.csv`, `a.CSV`, `a.csv.gz`; None if its suffix is no format's."""
    stem, _, suffix = name.lower().rpartition(".")
    if suffix not in COMPRESSIONS:
        return SUFFIXES.get(suffix)
    known = SUFFIXES.get(stem.rpartition(".")[2])
    return known if known in _COMPRESSED or (known, suffix) == ("tfrecord", "gz") else None
