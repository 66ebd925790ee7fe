"""`stoker feedback`: labels of requests, from a file."""

import csv
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, TextIO

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument
from ..kinds.problems import short
from ..ledger.sampling import Feedback
from ..models.requests import RequestId
from .output import AsJson, print_json, say

# Labels that are read and sent at a time.
_CHUNK = 5_000
_SAID = {
    Feedback.ACCEPTED: "count",
    Feedback.DUPLICATE: "were given before, with the same label",
    Feedback.CONTRADICTORY: "were given before, with another label, which stays",
    Feedback.LATE: "came later after the answer than labels count",
    Feedback.UNKNOWN: "are of requests that were not sampled, or are forgotten",
    Feedback.UNJUDGED: "are of answers that no single label can be held against: of several rows or outputs, or "
    "neither classes nor numbers",
    Feedback.UNLIKE: "are no numbers, and the model predicts numbers",
    Feedback.UNWATCHED: "are of models that no Monitor watches",
}


def feedback(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with the columns request and label.")],
    as_json: AsJson = False,
) -> None:
    """Give the true answers to requests, so that the Monitor of their model learns how right it is."""
    said = Counter[Feedback]()
    with _opened(file) as opened:
        # All are looked at before any is sent, and none is kept: there may be millions.
        for _ in _labels(file, opened):
            pass
        opened.seek(0)
        labels = _labels(file, opened)
        with Client() as client:
            while chunk := list(islice(labels, _CHUNK)):
                said.update(client.feedback_many(chunk))
    if as_json:
        print_json({each.name.lower(): said[each] for each in Feedback})
    else:
        for each, count in said.items():
            say(f"{count} {_SAID[each]}")
    if said and not said[Feedback.ACCEPTED] and not said[Feedback.DUPLICATE]:
        raise typer.Exit(1)


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    """The file, which can be read twice: a pipe is copied first."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        if opened.seekable():
            yield opened
            return
        with TemporaryFile("w+", newline="", encoding="utf-8") as copy:
            try:
                shutil.copyfileobj(opened, copy)
            except UnicodeDecodeError as error:
                raise _no_text(file, error) from None
            copy.seek(0)
            yield copy


def _labels(file: Path, opened: TextIO) -> Iterator[tuple[str, str]]:
    rows = csv.DictReader(opened)
    try:
        names = rows.fieldnames or ()
        if not {"request", "label"} <= set(names):
            raise InvalidArgument(f"{file} must have the columns request and label, got {short(', '.join(names))}")
        for row in rows:
            yield _label(file, rows.line_num, row["request"], row["label"])
    except UnicodeDecodeError as error:
        raise _no_text(file, error) from None
    except csv.Error as error:
        raise InvalidArgument(f"{file}, line {rows.line_num}: this is no CSV: {error}") from None


def _no_text(file: Path, error: UnicodeDecodeError) -> InvalidArgument:
    return InvalidArgument(f"{file} is no text in UTF-8 ({error.reason}): write it as CSV in UTF-8")


def _label(file: Path, line: int, request: str | None, label: str | None) -> tuple[str, str]:
    """One of the file's, or the refusal that names its line: all are looked at before any is sent."""
    try:
        RequestId.parse(request)
    except InvalidArgument as error:
        raise InvalidArgument(f"{file}, line {line}: {error.message}") from None
    if not request or not label:
        raise InvalidArgument(f"{file}, line {line}: the label is missing: leave out requests without one")
    return request, label
