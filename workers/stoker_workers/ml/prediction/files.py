"""Files of bulk predictions: a model's output as .npy, or a table of predictions beside columns of the data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stoker.errors import InvalidJob
from stoker.outages import one_line

from ..data import Column, Values


def write_array(outputs: Values, path: Path) -> None:
    """Write a model's output as .npy."""
    np.save(path, outputs, allow_pickle=False)


def write_table(
    columns: Mapping[str, Values], path: Path, table_format: Literal["parquet", "csv"], carried: Sequence[Column]
) -> None:
    """Write columns of equal lengths as a table.

    Args:
        carried: those that come from the data. NaN and None are missing values there, and numbers keep the data's type
            in every file, also in those without a missing one.

    Raises:
        InvalidJob: .csv, or any table, cannot hold a column.
    """
    # pyarrow takes a quarter of a second to import, which jobs that write arrays need not pay.
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    types = {column.name: _type(column) for column in carried}
    table = pa.table({name: _array(name, values, types.get(name), name in types) for name, values in columns.items()})
    if table_format == "parquet":
        pa.parquet.write_table(table, path)
        return
    for field in table.schema:
        if pa.types.is_nested(field.type):
            raise InvalidJob(
                f"column {field.name!r} holds {field.type}, which .csv cannot: leave it out of columns, or set "
                "format='parquet'"
            )
    pa.csv.write_csv(table, path)


def _array(name: str, values: Values, arrow_type: Any, is_carried: bool) -> Any:
    """A column as Arrow has it."""
    import pyarrow as pa

    # An empty list comes as an array of numbers, also beside lists of texts.
    holds_lists = values.ndim > 1 or values.dtype == object
    rows = [[] if isinstance(row, np.ndarray) and not len(row) else row for row in values] if holds_lists else values
    try:
        return pa.array(rows, arrow_type, from_pandas=is_carried)
    except pa.ArrowException as error:
        raise InvalidJob(
            f"column {name!r} holds what no column of a table can: leave it out of columns ({one_line(error)})"
        ) from None


def _type(column: Column) -> Any:
    """Arrow's type for numbers; None for others, which shows by their values."""
    import pyarrow as pa

    plain = column.dtype == "bool" or column.dtype.startswith(("int", "uint", "float"))
    return pa.from_numpy_dtype(column.dtype) if plain and not column.shape else None
