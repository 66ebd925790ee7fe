"""Columns of .parquet, .arrow and .feather files, which say themselves of which types they are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.parquet

from stoker.errors import InvalidJob
from stoker.models.data import ColumnKind, open_file

from .evidence import Markers, Place
from .source import ColumnType, Values
from .table import gap_notes, index_note, is_index, require_same_names
from .typed import TypedColumn
from .values import Misfit

ColumnarFormat = Literal["parquet", "arrow"]

_BATCH_ROWS = 65_536


class ColumnarTable:
    """Files whose columns have types; text is cleaned as that of a .csv is.

    Args:
        markers: of missing text.
        types: of columns whose type is known.
        kinds: what columns hold, by the user.

    Attributes:
        size: the bytes of all rows in memory, about.
    """

    def __init__(
        self,
        urls: Sequence[str],
        file_format: ColumnarFormat,
        markers: Markers,
        types: Mapping[str, ColumnType],
        kinds: Mapping[str, ColumnKind],
    ) -> None:
        self._urls = tuple(urls)
        self._format = file_format
        self.size = sum(_table_bytes(url, file_format) for url in urls)
        schemas = [self._schema(url) for url in self._urls]
        for url, schema in zip(self._urls, schemas, strict=True):
            require_same_names(schema.names, schemas[0].names, url, self._urls[0])
        known = types.keys() | kinds.keys()
        indexes = [name for name in schemas[0].names if is_index(name) and name not in known]
        if len(indexes) == len(schemas[0].names):
            indexes = []
        self._columns = [
            TypedColumn(name, self._common_type(name, schemas), types.get(name), markers, kinds.get(name))
            for name in schemas[0].names
            if name not in indexes
        ]
        self.rows = [self._look_at(url) for url in self._urls]
        for column in self._columns:
            column.decide(_where)
        self.columns = tuple(column.column for column in self._columns)
        gaps = {column.name: (column.gaps, column.gap_markers) for column in self._columns if column.gaps}
        self.notes = (
            *([index_note(indexes)] if indexes else []),
            *(column.note for column in self._columns if column.note),
            *gap_notes(gaps, sum(self.rows)),
        )

    def pieces(self, file: int) -> Iterator[dict[str, Values]]:
        url, first_row = self._urls[file], 0
        for batch in self._batches(url):
            yield {column.name: self._values(column, batch, url, first_row) for column in self._columns}
            first_row += batch.num_rows

    def _values(self, column: TypedColumn, batch: pa.RecordBatch, url: str, first_row: int) -> Values:
        try:
            return column.values(batch.column(column.name))
        except Misfit as misfit:
            place = Place(url, first_row + misfit.row, "")
            raise InvalidJob(f"{_where(place)}, column {column.name!r}: {misfit.what}; {misfit.fix}") from None

    def _look_at(self, url: str) -> int:
        """Let the columns see a file's rows; gives their number."""
        rows = 0
        for batch in self._batches(url):
            for column in self._columns:
                column.look_at(batch.column(column.name), url, rows)
            rows += batch.num_rows
        return rows

    def _common_type(self, name: str, schemas: Sequence[pa.Schema]) -> pa.DataType:
        """The type of a column that all files can be read as."""
        common = pa.schema([schemas[0].field(name)])
        for url, schema in zip(self._urls, schemas, strict=True):
            try:
                common = pa.unify_schemas([common, pa.schema([schema.field(name)])], promote_options="permissive")
            except (pa.ArrowTypeError, pa.ArrowInvalid):
                raise InvalidJob(
                    f"column {name!r} is {common.field(name).type} in {self._urls[0]}, but {schema.field(name).type} "
                    f"in {url}; write it as one type in all files"
                ) from None
        return common.field(name).type

    def _schema(self, url: str) -> pa.Schema:
        with open_file(url, _damage) as file:
            return pa.parquet.ParquetFile(file).schema_arrow if self._format == "parquet" else _arrow(file)[0]

    def _batches(self, url: str) -> Iterator[pa.RecordBatch]:
        with open_file(url, _damage) as file:
            if self._format == "parquet":
                batches = pa.parquet.ParquetFile(file).iter_batches(_BATCH_ROWS)
            else:
                batches = _arrow(file)[1]
            yield from (batch for batch in batches if batch.num_rows)


def _arrow(file: object) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema and the batches of an Arrow file, or of a stream that was written into one."""
    try:
        whole = pa.ipc.open_file(file)
    except pa.ArrowInvalid:
        stream = pa.ipc.open_stream(file)
        return stream.schema, iter(stream)
    return whole.schema, (whole.get_batch(at) for at in range(whole.num_record_batches))


def _table_bytes(url: str, file_format: ColumnarFormat) -> float:
    """The approximate size of a file's rows in memory, in bytes."""
    with open_file(url, _damage) as file:
        if file_format == "arrow":
            return float(file.seek(0, 2))
        metadata = pa.parquet.ParquetFile(file).metadata
        return float(sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)))


def _damage(error: Exception) -> str | None:
    # For a malformed file Arrow raises, among others, OSErrors without a number; its MemoryErrors are genuine.
    if isinstance(error, pa.ArrowException | OSError | UnicodeDecodeError) and not isinstance(error, MemoryError):
        return f"is malformed: {_reason(error)}; correct the file"
    return None


def _reason(error: Exception) -> str:
    """The kind of an error, without a quote from the file."""
    text = str(error)
    if "UTF8" in text or isinstance(error, UnicodeDecodeError):
        return "its text is not UTF-8"
    if "encrypt" in text:
        return "it is encrypted"
    if "arquet" in text or "hrift" in text:
        return "Parquet's metadata or pages are damaged, or it is no Parquet file"
    if isinstance(error, pa.ArrowInvalid):
        return "it is damaged, or no file of Arrow"
    return f"it cannot be read as a table ({type(error).__name__})"


def _where(place: Place) -> str:
    return f"{place.url}, row {place.row} (the first is 0)"
