"""Files of bulk predictions: a model's output as .npy, or a table of predictions beside columns of the data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stoker.errors import InvalidJob

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
        InvalidJob: .csv cannot hold a column.
    """
    # pyarrow takes a quarter of a second to import, which jobs that write arrays need not pay.
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    types = {column.name: _type(column) for column in carried}
    arrays = {
        name: pa.array(list(values) if values.ndim > 1 else values, types.get(name), from_pandas=name in types)
        for name, values in columns.items()
    }
    table = pa.table(arrays)
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


def _type(column: Column) -> Any:
    """Arrow's type for numbers; None for others, which shows by their values."""
    import pyarrow as pa

    plain = column.dtype == "bool" or column.dtype.startswith(("int", "uint", "float"))
    return pa.from_numpy_dtype(column.dtype) if plain and not column.shape else None
