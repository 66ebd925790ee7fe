"""Columns of lists, and lists of texts as tags: how a model's input holds them."""

import re
from collections.abc import Iterable

import numpy as np

from ..errors import InvalidJob
from .picture_rows import as_objects
from .signature import TensorSpec
from .tensors import Array
from .values import Numbering, quoted

MISSING_TAGS = "\ue001"
"""What stands for a missing list in a tensor: a character that no text is meant to hold."""
# What splits a text into words inside a model; within a tag, a character that no text is meant to hold stands for it.
_SPACES = re.compile(r"[ \t\n\v\f\r]+")
_SPACE = "\ue002"


def tag(text: str) -> str:
    """The one spelling of a tag, as a word without spaces."""
    return _SPACE.join(part for part in _SPACES.split(text) if part)


def joined_tags(_spec: TensorSpec, values: Array, name: str, numbering: Numbering) -> Array:
    """The tags of each row as the words of one text, however many there are; `MISSING_TAGS` for no list.

    Raises:
        InvalidJob: a row has something else than a list of texts.
    """
    rows = [None if isinstance(row, float) and row != row else row for row in values]
    require_lists(as_objects(rows), name, numbering)
    return as_objects(
        [MISSING_TAGS if row is None else _joined(row, name, numbering[at]) for at, row in enumerate(rows)]
    )


def _joined(tags: Iterable[object], name: str, row: int) -> str:
    words = []
    for each in tags.tolist() if isinstance(tags, np.ndarray) else tags:
        if isinstance(each, str):
            words.append(tag(each))
        elif each is not None:
            raise InvalidJob(
                f"column {name!r} holds {quoted(each)} in a list of row {row} (the first row is 0); expected texts"
            )
    return " ".join(word for word in words if word)


def require_lists(values: Array, name: str, numbering: Numbering) -> None:
    """Refuse rows that are neither a list nor missing.

    Raises:
        InvalidJob: there is one.
    """
    for row, value in enumerate(values):
        if value is not None and not isinstance(value, list | tuple | np.ndarray):
            raise InvalidJob(
                f"column {name!r} holds {quoted(value)} in row {numbering[row]} (the first row is 0); expected a "
                "list: give one row that has lists in it as a list of one dict"
            )
