"""`stoker infer`."""

import importlib.util
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..kinds import Infer, InferResult
from ..models.store import Store
from .joining import join
from .live import result_of, show_result
from .models import Ref
from .output import AsJson, print_json, say

_FORMATS: dict[str, Literal["npy", "parquet", "csv"]] = {".parquet": "parquet", ".csv": "csv", ".npy": "npy"}


def infer(
    model: Ref,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A file, pattern, URL or sample://… set: what `data` is in a job.", show_default=False
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the predictions there: out.parquet, out.csv or out.npy."
        ),
    ] = None,
    columns: Annotated[
        str, typer.Option(metavar="NAME,…", help="Columns of the data that the table begins with, such as a key.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Predict every row of a data set, and write one file in the order of the rows.

    A .csv or .parquet is a table: the label and each class' probability, or the value. A .npy is the model's output as
    it is. Without --output the predictions stay in the store as .parquet, and it is said where.

        stoker infer shop customers.csv -o predicted.csv --columns id,city

    Workers do it, several at once if that is worth it. For a few rows there is `stoker predict`. The same from Python:
    client.submit(stoker.Infer(model="shop", data="customers.csv", format="csv", columns=["id", "city"])).
    """
    spec = Infer(model=model, data=data, format=_format(output), columns=tuple(filter(None, columns.split(","))))
    with Client() as client:
        store = Store(client.settings.store_place)
        result = result_of(client, client.submit(spec), quiet=as_json)
    assert isinstance(result, InferResult)
    if output:
        join(result.chunks, store, output)
    if as_json:
        print_json(result)
    elif output:
        say(f"{result.rows:,} rows predicted by {result.model} are in {output}")
    else:
        show_result(result, store)


def _format(output: Path | None) -> Literal["npy", "parquet", "csv"]:
    """The format of a file that can be written.

    Raises:
        InvalidArgument: it cannot be.
    """
    if output is None:
        return "parquet"
    if output.suffix not in _FORMATS:
        raise InvalidArgument(f"{output} names no format: end it with {', '.join(_FORMATS)}")
    if not output.parent.is_dir():
        raise InvalidArgument(f"there is no folder {output.parent}: make it, or name another file")
    if output.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise InvalidArgument(f"to write {output} here takes pyarrow: pip install pyarrow, or name a .csv")
    return _FORMATS[output.suffix]
