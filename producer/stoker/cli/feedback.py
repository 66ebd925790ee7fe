"""`stoker feedback`: labels of requests, from a file."""

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..ledger.sampling import Feedback
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
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        if not {"request", "label"} <= set(rows.fieldnames or ()):
            raise InvalidArgument(
                f"{file} must have the columns request and label, got {', '.join(rows.fieldnames or ())}"
            )
        labels = [(row["request"], row["label"] or "") for row in rows]
    with Client() as client:
        said = Counter(client.feedback_many(labels))
    if as_json:
        print_json({each.name.lower(): said[each] for each in Feedback})
    else:
        for each, count in said.items():
            say(f"{count} {_SAID[each]}")
    if labels and not said[Feedback.ACCEPTED] and not said[Feedback.DUPLICATE]:
        raise typer.Exit(1)
