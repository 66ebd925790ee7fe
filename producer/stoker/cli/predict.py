"""`stoker predict`."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..models.prediction import Prediction
from .models import Ref
from .output import AsJson, Styled, draw, print_json, saying_warnings
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
    given = read_rows(rows)
    with Client() as client, saying_warnings():
        predicted = client.predict(model, given)
    if as_json:
        print_json(predicted)
    else:
        draw(_table(predicted))


def read_rows(rows: str) -> Any:
    """Rows of JSON, from an argument or from stdin.

    Raises:
        InvalidArgument: it is no JSON.
    """
    try:
        return json.loads(sys.stdin.buffer.read() if rows == "-" else rows)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f'ROWS is not JSON: {error}; give a row such as \'{{"age": 31, "city": null}}\', or a list of rows'
        ) from None


def _table(predicted: Sequence[Prediction]) -> Table:
    if predicted and (predicted[0].outputs or predicted[0].labels or predicted[0].label is None):
        return _free_table(predicted)
    classes = list(predicted[0].probabilities) if predicted else []
    shown = classes if len(classes) <= _MOST_CLASSES else ["probability"]
    columns = ["row", "label", *shown] if classes else ["row", "value"]
    return Table(columns, [_line(row, each, shown) for row, each in enumerate(predicted)], cut=columns[1:])


def _free_table(predicted: Sequence[Prediction]) -> Table:
    """A column for each output, each of which may be of another kind."""
    columns = list(predicted[0].outputs) or ["labels" if predicted[0].probabilities else "value"]
    rows: list[list[Styled]] = [
        [str(row), *(_text(part) for part in each.outputs.values() or [each])] for row, each in enumerate(predicted)
    ]
    return Table(["row", *columns], rows, cut=columns)


def _text(predicted: Prediction) -> str:
    if predicted.values:
        return ", ".join(f"{name} {value:.6g}" for name, value in predicted.values.items())
    if predicted.label is not None:
        return f"{predicted.label} ({predicted.probabilities[predicted.label]:.4f})"
    if predicted.probabilities:
        return ", ".join(f"{label} ({predicted.probabilities[label]:.4f})" for label in predicted.labels)
    values = predicted.value if isinstance(predicted.value, tuple) else (predicted.value,)
    return ", ".join(f"{value:.6g}" for value in values)


def _line(row: int, predicted: Prediction, shown: Sequence[str]) -> list[Styled]:
    assert predicted.label is not None
    likeliest = predicted.probabilities[predicted.label]
    probabilities = [f"{predicted.probabilities.get(name, likeliest):.4f}" for name in shown]
    return [str(row), (predicted.label, "bold"), *probabilities]
