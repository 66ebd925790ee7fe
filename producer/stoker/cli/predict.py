"""`stoker predict`."""

import json
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..models.predictions import Prediction
from .models import Ref
from .output import AsJson, Styled, draw, print_json, say_warning
from .table import Table

# Of more classes, only the most likely one's probability is shown.
_MOST_CLASSES = 8


def predict(
    model: Ref,
    rows: Annotated[
        str,
        typer.Argument(metavar="ROWS", help="One row as JSON, or a list of rows; - reads stdin.", show_default=False),
    ],
    as_json: AsJson = False,
) -> None:
    """Predict rows with a registered model: the likeliest class and all probabilities, or numbers.

    A row is a JSON object, each value by its column's name; null is a missing value. Where a model was trained on an
    array without names of columns, a row is a list.

        stoker predict shop '{"age": 31, "city": "Bonn"}'

        stoker predict digits - < rows.json

    For a whole file there is `stoker infer`. The same from Python: client.predict("shop", {"age": 31, "city": "Bonn"}).
    """
    given = _read(rows)
    with Client() as client, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        predicted = client.predict(model, given)
    for warning in caught:
        say_warning(str(warning.message))
    if as_json:
        print_json(predicted)
    else:
        draw(_table(predicted))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Predictions")(predict)


def _read(rows: str) -> Any:
    try:
        return json.loads(sys.stdin.buffer.read() if rows == "-" else rows)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f'ROWS is not JSON: {error}; give a row such as \'{{"age": 31, "city": null}}\', or a list of rows'
        ) from None


def _table(predicted: Sequence[Prediction]) -> Table:
    classes = list(predicted[0].probabilities) if predicted else []
    shown = classes if len(classes) <= _MOST_CLASSES else ["probability"]
    columns = ["row", "label", *shown] if classes else ["row", "value"]
    return Table(columns, [_line(row, each, shown) for row, each in enumerate(predicted)], cut=columns[1:])


def _line(row: int, predicted: Prediction, shown: Sequence[str]) -> list[Styled]:
    if predicted.label is None:
        values = predicted.value if isinstance(predicted.value, tuple) else (predicted.value,)
        return [str(row), ", ".join(f"{value:.6g}" for value in values)]
    likeliest = predicted.probabilities[predicted.label]
    probabilities = [f"{predicted.probabilities.get(name, likeliest):.4f}" for name in shown]
    return [str(row), (predicted.label, "bold"), *probabilities]
