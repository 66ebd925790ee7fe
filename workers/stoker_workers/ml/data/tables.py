"""Columns of .csv and .parquet files, whole or as a stream of record batches."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from stoker.errors import InvalidJob
from stoker.models.data import open_file, reading

from .source import Arrays, Column, Values, file_bytes, rebatched

TableFormat = Literal["csv", "parquet"]

_BLOCK_BYTES = 8 << 20
"""CSV bytes read at a time; the first block decides the column types of a streamed file."""
_PARQUET_BATCH_ROWS = 65_536


def load_table(urls: Sequence[str], table_format: TableFormat) -> Arrays:
    """All rows of all files, in memory.

    Raises:
        InvalidJob: a file is malformed, or the files' columns differ.
    """
    tables = []
    for url in urls:
        with open_file(url, _damage) as file:
            tables.append(pa.csv.read_csv(file) if table_format == "csv" else pa.parquet.read_table(file))
        _check_text(tables[-1].schema, url, table_format)
        _same_columns(tables[0].schema, tables[-1].schema, url)
    with reading(urls[0], _damage):
        table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    return Arrays({field.name: _values(table[field.name], url=urls[0]) for field in table.schema}, urls[0])


def table_bytes(url: str, table_format: TableFormat) -> float:
    """The approximate size of the file's rows in memory, in bytes."""
    if table_format == "csv":
        return file_bytes(url)
    with open_file(url, _damage) as file:
        metadata = pa.parquet.ParquetFile(file).metadata
        return float(sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)))


class TableStream:
    """A source that reads its files on every pass, block by block.

    All files must have the columns and types of the first one.
    """

    in_memory = False

    def __init__(self, urls: Sequence[str], table_format: TableFormat) -> None:
        self._urls = tuple(urls)
        self._format = table_format
        with open_file(urls[0], _damage) as file:
            self._schema = self._open(file)[0]
        _check_text(self._schema, urls[0], table_format)
        self.columns = tuple(_column(field) for field in self._schema)
        self.rows = self._count() if table_format == "parquet" else None

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        return rebatched(self._pieces(), rows)

    def _pieces(self) -> Iterator[dict[str, Values]]:
        for url in self._urls:
            with open_file(url, _damage) as file:
                schema, batches = self._open(file, self._schema)
                _check_text(schema, url, self._format)
                _same_columns(self._schema, schema, url)
                for batch in batches:
                    if batch.num_rows:
                        yield {
                            field.name: _values(batch.column(field.name).cast(field.type), url)
                            for field in self._schema
                        }

    def _open(self, file: object, expected: pa.Schema | None = None) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        if self._format == "parquet":
            parquet = pa.parquet.ParquetFile(file)
            return parquet.schema_arrow, parquet.iter_batches(_PARQUET_BATCH_ROWS)
        types = {field.name: field.type for field in expected} if expected else None
        reader = pa.csv.open_csv(
            file,
            read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES),
            convert_options=pa.csv.ConvertOptions(column_types=types),
        )
        return reader.schema, reader

    def _count(self) -> int:
        rows = 0
        for url in self._urls:
            with open_file(url, _damage) as file:
                rows += pa.parquet.ParquetFile(file).metadata.num_rows
        return rows


def _damage(error: Exception) -> str | None:
    # For a malformed file Arrow raises, among others, OSErrors without a number; its MemoryErrors are genuine.
    if isinstance(error, pa.ArrowException | OSError | UnicodeDecodeError) and not isinstance(error, MemoryError):
        return f"is malformed: {_reason(error)}; correct the file"
    return None


def _reason(error: Exception) -> str:
    """The place and kind of an error, without a quote from the file."""
    text = str(error)
    if "Empty CSV file" in text:
        return "Empty CSV file"
    if match := re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", text):
        row = f" in row {match[1]}" if match[1] else ""
        return f"CSV parse error: expected {match[2]} columns, got {match[3]}{row}"
    if match := re.search(r"In CSV column #(\d+):(?: Row #(\d+):)? CSV conversion error to (\w+)", text):
        row = f" in row {match[2]}" if match[2] else ""
        return f"column {int(match[1]) + 1} holds what is no {match[3]}{row}"
    if "UTF8" in text or isinstance(error, UnicodeDecodeError):
        return "its text is not UTF-8"
    if "encrypt" in text:
        return "it is encrypted"
    if "arquet" in text or "hrift" in text:
        return "Parquet's metadata or pages are damaged, or it is no Parquet file"
    return f"it cannot be read as a table ({type(error).__name__})"


def _check_text(schema: pa.Schema, url: str, table_format: TableFormat) -> None:
    """Refuse a CSV that is not UTF-8, of which Arrow makes a column of bytes."""
    for field in schema:
        if table_format == "csv" and pa.types.is_binary(field.type):
            raise InvalidJob(
                f"{url} is malformed: column {field.name!r} holds text that is not UTF-8; save it as UTF-8"
            )


def _same_columns(expected: pa.Schema, actual: pa.Schema, url: str) -> None:
    if sorted(expected.names) != sorted(actual.names):
        raise InvalidJob(
            f"{url} has columns {actual.names}, the first file {expected.names}; all files must have the same"
        )
    if len(set(actual.names)) < len(actual.names):
        raise InvalidJob(f"{url} names a column twice: {actual.names}")


def _column(field: pa.Field) -> Column:
    kind = field.type
    if pa.types.is_fixed_size_list(kind):
        return Column(field.name, _dtype(kind.value_type), (kind.list_size,))
    return Column(field.name, _dtype(kind))


def _dtype(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return "float64"
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return str(np.dtype(kind.to_pandas_dtype()))
    return str(kind)


def _values(column: pa.Array | pa.ChunkedArray, url: str) -> Values:
    """A column as numpy; missing numbers are NaN, missing text is None."""
    kind = column.type
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_fixed_size_list(kind):
        if column.null_count:
            raise InvalidJob(f"{url} has missing vectors; fill or drop those rows")
        values: Values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, kind.list_size)
        return values
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    elif pa.types.is_null(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_boolean(kind) and column.null_count:
        column = column.cast(pa.int8())  # which becomes float64 with NaN, as missing integers do
    plain: Values = column.to_numpy(zero_copy_only=False)
    return plain
