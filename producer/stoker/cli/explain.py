"""`stoker explain`."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..kinds import Explain, Explanation
from ..models.store import Store
from .live import result_of, show_result
from .models import Ref
from .output import AsJson, draw, print_json, saying_warnings
from .predict import read_rows
from .table import Table

_ROWS = 10


def explain(
    model: Ref,
    rows: Annotated[
        str | None,
        typer.Argument(metavar="[ROWS]", help="One row as JSON, or a list of rows; - reads stdin.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA", help="A file, pattern, URL or sample://… set, in place of ROWS.", show_default=False
        ),
    ] = None,
    count: Annotated[int, typer.Option("--rows", help="How many rows of --data are explained one by one.")] = _ROWS,
    output: Annotated[
        str | None, typer.Option(help="What is explained: a class, a number's column, or one of several outputs.")
    ] = None,
    baseline: Annotated[
        Literal["mean", "missing", "zero"] | None, typer.Option(help="From what attributions are counted.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how much a model needs each column, and what its predictions of single rows come from.

    With --data, each column is shuffled among its rows, and it is told by how much the model becomes worse; and the
    first rows are explained one by one. With ROWS, these are. An attribution is what a column adds to the number that
    is predicted, counted from a baseline.

        stoker explain shop --data customers.csv

        stoker explain shop '{"age": 31, "city": "Bonn"}'

    Workers do it. The same from Python: client.submit(stoker.Explain(model="shop", data="customers.csv")), or
    client.explain("shop", {"age": 31, "city": "Bonn"}).
    """
    if (rows is None) == (data is None):
        raise InvalidArgument("give ROWS to explain, or --data, and not both")
    with Client() as client:
        if data is not None:
            spec = Explain(model=model, data=data, rows=count, output=output, baseline=baseline)
            result = result_of(client, client.submit(spec), quiet=as_json)
            if as_json:
                print_json(result)
            else:
                show_result(result, Store(client.settings.store_place))
            return
        assert rows is not None
        with saying_warnings():
            explained = client.explain(model, read_rows(rows), output=output, baseline=baseline)
    if as_json:
        print_json(explained)
    else:
        draw(_table(explained))


def _table(explained: Sequence[Explanation]) -> Table:
    columns = ["row", "explained", "value", "baseline", "largest attributions"]
    lines = [[str(each.row), *line] for each in explained for line in each.lines()]
    return Table(columns, lines, cut=columns[-1:])
