"""Labels that hold at once, as 0 and 1 for each."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.columns import boolean_of
from stoker.models.data import listed
from stoker.models.signature import Signature
from stoker.models.values import Numbering, numbers

from ..data import Values


def encode_labels(signature: Signature, columns: Mapping[str, Values], numbering: Numbering) -> NDArray[np.float32]:
    """0 and 1, (rows, labels): from lists of texts, from rows of 0 and 1, or from several columns of yes and no.

    Raises:
        InvalidJob: a row holds a label that the model was not trained on, or what is neither yes nor no.
    """
    if signature.columns:
        return np.stack([_booleans(columns[name], name, numbering) for name in signature.columns], axis=1)
    name = signature.target or "y"
    values = columns[name]
    if values.ndim > 1:
        return _places(values, name, len(signature.classes), numbering)
    places = {label: place for place, label in enumerate(signature.classes)}
    encoded = np.zeros((len(values), len(places)), dtype=np.float32)
    for row, labels in enumerate(values):
        if isinstance(labels, str):
            raise InvalidJob(
                f"target {name!r} holds the text {labels!r} in row {numbering[row]} (the first row is 0); expected a "
                "list of labels"
            )
        unknown = [str(label) for label in labels if label not in places]
        if unknown:
            raise InvalidJob(
                f"target {name!r} has labels that the model was not trained on: {listed(unknown)} in row "
                f"{numbering[row]} (the first row is 0); it knows {listed(signature.classes)}"
            )
        encoded[row, [places[label] for label in labels]] = 1
    return encoded


def _places(values: Values, name: str, width: int, numbering: Numbering) -> NDArray[np.float32]:
    if values.shape[1:] != (width,):
        raise InvalidJob(f"target {name!r} has rows of shape {values.shape[1:]}; the model knows {width} labels")
    exact = numbers(values, name, numbering=numbering)
    wrong = ((exact != 0) & (exact != 1)).any(axis=1)
    if wrong.any():
        raise InvalidJob(
            f"target {name!r} holds other numbers than 0 and 1 in row {numbering[int(np.argmax(wrong))]} (the first "
            "row is 0); set 1 for each label that holds"
        )
    return exact.astype(np.float32)


def _booleans(values: Values, name: str, numbering: Numbering) -> NDArray[np.float32]:
    encoded = np.empty(len(values), dtype=np.float32)
    for row, value in enumerate(values.tolist()):
        known = boolean_of(value) if isinstance(value, str) else value
        if known not in (0, 1):
            raise InvalidJob(
                f"target {name!r} holds {value!r} in row {numbering[row]} (the first row is 0); expected yes or no: "
                "words such as true, no, on, or 0 and 1"
            )
        encoded[row] = known
    return encoded
