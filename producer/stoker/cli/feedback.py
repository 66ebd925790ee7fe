"""`stoker feedback`: labels of requests, from a file."""

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..kinds.problems import short
from ..ledger.sampling import Feedback
from ..models.requests import RequestId
from .output import AsJson, print_json, say

_SAID = {
    Feedback.ACCEPTED: "count",
    Feedback.DUPLICATE: "were given before, with the same label",
    Feedback.CONTRADICTORY: "were given before, with another label, which stays",
    Feedback.LATE: "came later after the answer than labels count",
    Feedback.UNKNOWN: "are of requests that were not sampled, or are forgotten",
    Feedback.UNLIKE: "are no numbers, and the model predicts numbers",
    Feedback.UNWATCHED: "are of models that no Monitor watches",
}


def feedback(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with the columns request and label.")],
    as_json: AsJson = False,
) -> None:
    """Give the true answers to requests, so that the Monitor of their model learns how right it is."""
    labels = _labels(file)
    with Client() as client:
        said = Counter(client.feedback_many(labels))
    if as_json:
        print_json({each.name.lower(): said[each] for each in Feedback})
    else:
        for each, count in said.items():
            say(f"{count} {_SAID[each]}")
    if labels and not said[Feedback.ACCEPTED] and not said[Feedback.DUPLICATE]:
        raise typer.Exit(1)


def _labels(file: Path) -> list[tuple[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        try:
            names = rows.fieldnames or ()
            if not {"request", "label"} <= set(names):
                raise InvalidArgument(f"{file} must have the columns request and label, got {short(', '.join(names))}")
            return [_label(file, rows.line_num, row["request"], row["label"]) for row in rows]
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"{file} is no text in UTF-8 ({error.reason}): write it as CSV in UTF-8") from None
        except csv.Error as error:
            raise InvalidArgument(f"{file}, line {rows.line_num}: this is no CSV: {error}") from None


def _label(file: Path, line: int, request: str | None, label: str | None) -> tuple[str, str]:
    """One of the file's, or the refusal that names its line: all are looked at before any is sent."""
    try:
        RequestId.parse(request)
    except InvalidArgument as error:
        raise InvalidArgument(f"{file}, line {line}: {error.message}") from None
    if not request or not label:
        raise InvalidArgument(f"{file}, line {line}: the label is missing: leave out requests without one")
    return request, label
