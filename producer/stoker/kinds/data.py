"""What a spec says of data: a reference, and how its files are to be read."""

import codecs
from collections.abc import Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from ..models.columns import ColumnKind
from ..models.formats import Format, Stated
from .accepts import Accepts
from .base import Frozen, several
from .problems import short

_LONGEST = 4096


def _ref(value: Any) -> Any:
    return fspath(value) if isinstance(value, PathLike) else value


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise ValueError("no encoding of this name is known; expected one such as utf-8, cp1252 or latin-1") from None


_Ref = Annotated[
    str, BeforeValidator(_ref), StringConstraints(min_length=1, max_length=_LONGEST, strip_whitespace=True)
]
_Character = Annotated[str, StringConstraints(min_length=1, max_length=1, pattern=r"^[\t\x1f -~]$")]
_Marker = Annotated[str, StringConstraints(max_length=256, strip_whitespace=True)]
_Name = Annotated[str, StringConstraints(max_length=1024)]


class Data(Frozen):
    """A data reference, and what is known of its files; what is left out is found by looking at them.

    Everything from `separator` to `missing` is about text: .csv, .tsv and, for `encoding` and `missing`, .jsonl.

        Data("sales.csv", separator=";", decimal=",", columns={"zip": "category", "id": "ignore"})

    Attributes:
        ref: `sample://digits`, or a path, URL, glob or folder of .npz, .csv, .tsv, .jsonl, .parquet, .arrow, .feather
            or .tfrecord, or the path of a .json, or of a table named .txt, .data, .dat or .tab; text may be compressed
            (.gz, .zst, .bz2). The keys of folders like `year=2024` are columns. Or a folder of pictures (.jpg, .jpeg,
            .png, .bmp, .gif, .webp), with one folder a class.
        format: of the files, if their names do not tell.
        separator: between the cells of a line, one character.
        decimal: the mark before a number's decimals.
        thousands: the mark between a number's groups of three digits; "" for none.
        quote: the mark around cells; "" where none are quoted.
        encoding: of the text, e.g. "cp1252".
        missing: the cells that mean no value, beside empty ones; None for the usual ones, such as NA and null.
        columns: what these columns hold; "ignore" leaves one out. An "image" is a picture's path, seen from the
            table's folder, or its URL.
        skip_broken: leave rows out whose picture is missing or broken, and say so, instead of refusing the data.
    """

    ref: _Ref
    format: Format | None = None
    separator: _Character | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal["", ".", ",", " ", "'", "’", "_"] | None = None
    quote: Literal["", '"', "'"] | None = None
    encoding: Annotated[str, AfterValidator(_known)] | None = None
    missing: Annotated[tuple[_Marker, ...], BeforeValidator(several), Field(max_length=64)] | None = None
    columns: dict[_Name, ColumnKind] = Field(default_factory=dict, max_length=100_000)
    skip_broken: bool = False

    if TYPE_CHECKING:

        def __init__(
            self,
            ref: str | PathLike[str],
            *,
            format: Format | None = None,  # noqa: A002  # the word that readers of tables use
            separator: str | None = None,
            decimal: Literal[".", ","] | None = None,
            thousands: str | None = None,
            quote: Literal["", '"', "'"] | None = None,
            encoding: str | None = None,
            missing: str | tuple[str, ...] | None = None,
            columns: Mapping[str, ColumnKind] = ...,
            skip_broken: bool = False,
        ) -> None: ...

    else:

        def __init__(self, *ref: object, **fields: object) -> None:
            super().__init__(**dict(zip(("ref",), ref, strict=True)) if ref else {}, **fields)

    @property
    def stated(self) -> Stated:
        """What it says of the files."""
        return Stated(
            self.format,
            self.separator,
            self.decimal,
            self.thousands,
            self.quote,
            self.encoding,
            self.missing,
            frozenset(self.columns),
        )

    def __str__(self) -> str:
        return self.ref


def _data(value: Any) -> Any:
    match value:
        case str():
            # First, for it is the usual one, and the abstract classes below are slow to ask.
            pass
        case Data():
            return value
        case Mapping():
            if other := [name for name in value if not isinstance(name, str)]:
                raise ValueError(f"the names of its fields must be text, got {short(other[0])}")
            return Data.model_validate(value)
        case PathLike():
            value = fspath(value)
    if not isinstance(value, str):
        raise ValueError("expected a path or URL, or Data(…) with one")  # noqa: TRY004  # pydantic wants it
    value = value.strip()
    if not 1 <= len(value) <= _LONGEST:
        raise ValueError(f"expected a path or URL of 1 to {_LONGEST} characters")
    return value


# A plain reference stays one, so that short specs are short in JSON, too.
_DataRef = Annotated[str | Data, BeforeValidator(_data)]
DataRef = Accepts[_DataRef, PathLike[str]]
OptionalDataRef = Accepts[_DataRef | None, PathLike[str]]


def as_data(data: str | Data) -> Data:
    """Data of which nothing but the reference may be known."""
    return data if isinstance(data, Data) else Data(data)
