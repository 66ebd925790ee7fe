"""A file of separated cells: how it is written, its cells as text, and their lines."""

import csv
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.csv

from stoker.errors import InvalidJob
from stoker.models.data import HEAD_BYTES, Dialect, decoded_head, foreign_format, laid_out, sniff
from stoker.models.formats import Stated

from . import text
from .text import BlockFile, find_encoding, open_text, utf8_blocks


@dataclass(frozen=True)
class TextFile:
    """A file, and how it is written. `names` are its columns' in order, with names for those that have none."""

    url: str
    encoding: str
    dialect: Dialect
    names: tuple[str, ...]
    text_bytes: int
    notes: tuple[str, ...]

    @property
    def short(self) -> str:
        """Its name without its folder."""
        return PurePosixPath(self.url).name


def looked_at(url: str, stated: Stated) -> TextFile:
    """A file whose encoding and dialect are found."""
    with open_text(url) as file:
        head = file.read(HEAD_BYTES)
    if what := foreign_format(head):
        raise InvalidJob(f"{url} is {what}, not lines of cells; save it as CSV")
    encoding, text_bytes, note = find_encoding(url, stated.encoding)
    # As the light half would; the rest of a character at the end is left out.
    beginning = decoded_head(head, encoding) or ""
    dialect = sniff(beginning, stated, whole=text_bytes <= len(head))
    if dialect is None:
        raise InvalidJob(f"{url} is empty; expected a header line with the column names")
    # A nameless column is called by its place.
    names = tuple(name or f"column_{at}" for at, name in enumerate(dialect.names, 1))
    return TextFile(url, encoding, dialect, names, text_bytes, tuple(filter(None, (note, *dialect.notes))))


def below_header(file: TextFile) -> Iterator[bytes]:
    """The blocks of a file's text below its header."""
    dialect, skip = file.dialect, file.dialect.skip
    for block in utf8_blocks(file.url, file.encoding):
        # A line ends with \n, \r or both; `splitlines` knows more ends, but not of bytes.
        if skip:
            lines = block.splitlines(keepends=True)
            block = b"".join(lines[skip:])  # noqa: PLW2901
            skip = max(skip - len(lines), 0)
        if block:
            yield laid_out(block, dialect.layout, dialect.separator, dialect.quote)


def batches_of(file: TextFile, blocks: Iterator[bytes], refuse: Callable[[object], str]) -> Iterator[pa.RecordBatch]:
    first = next((block for block in blocks if block.strip()), None)
    if first is None:
        return
    dialect = file.dialect

    def all_blocks() -> Iterator[bytes]:
        yield first
        yield from blocks

    # Numbers for names: Arrow takes no name twice, and refuses none that is empty.
    names = [str(at) for at in range(len(file.names))]
    yield from pa.csv.open_csv(
        BlockFile(all_blocks()),
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=text.BLOCK_BYTES, column_names=names),
        parse_options=pa.csv.ParseOptions(
            delimiter=dialect.separator,
            quote_char=dialect.quote or False,
            escape_char=dialect.escape or False,
            newlines_in_values=bool(dialect.quote),
            invalid_row_handler=refuse,
        ),
        convert_options=pa.csv.ConvertOptions(
            check_utf8=False, column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )


def damage(error: Exception) -> str | None:
    if isinstance(error, pa.ArrowInvalid):
        # "straddling object straddles two block boundaries"
        what = f"has a row of more than {text.BLOCK_BYTES:,} bytes" if "straddl" in str(error) else "is malformed"
        return f"{what}; correct the file, or set separator and quote"
    return None


def numbered_rows(file: TextFile) -> Iterator[tuple[list[str], int]]:
    """The rows of a file and the lines where they begin, for messages."""
    # `str.splitlines` knows more ends of lines than CSV does.
    lines = (line.decode() for block in below_header(file) for line in block.splitlines(keepends=True))
    dialect = file.dialect
    rows = csv.reader(
        lines,
        delimiter=dialect.separator,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        escapechar=dialect.escape or None,
    )
    # Cells beyond its limit have no line; the message then does without.
    with suppress(csv.Error):
        begin = dialect.skip + 1
        for row in rows:
            if row:
                yield row, begin
            begin = dialect.skip + rows.line_num + 1
