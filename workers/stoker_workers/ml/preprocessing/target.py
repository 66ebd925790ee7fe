"""The column to predict: rows without one, labels, and its encoding by a model's signature."""

from collections.abc import Iterable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import listed
from stoker.models.manifest import Signature
from stoker.models.rows import FROM_0, Numbering, numbers, texts

from ..columns.stats import Value
from ..data import Values

EncodedTarget = NDArray[np.int32] | NDArray[np.float32]


def has_target(values: Values) -> NDArray[np.bool_]:
    """Which rows have a target; one of several numbers is there if all of them are."""
    if values.dtype == object:
        present = np.fromiter((value is not None for value in values.flat), bool, values.size).reshape(values.shape)
    elif values.dtype.kind == "f":
        present = ~np.isnan(values)
    else:
        return np.ones(len(values), dtype=bool)
    return cast(NDArray[np.bool_], present.reshape(len(values), -1).all(axis=1))


def encode_target(signature: Signature, values: Values, numbering: Numbering = FROM_0) -> EncodedTarget:
    """Encode the target: as class indices (int32, one for each row) or numbers (float32, of the same shape).

    Args:
        numbering: the number of each row, for messages.

    Raises:
        InvalidJob: a label that the model was not trained on, or a missing or infinite value.
    """
    name = signature.target or "y"
    if signature.task == "regression":
        return numbers(values, name, numbering=numbering).astype(np.float32)
    if is_one_hot(values, len(signature.classes)):
        return np.asarray(np.argmax(values, axis=1), dtype=np.int32)
    labels, inverse = class_labels(values, name, numbering)
    index = {label: position for position, label in enumerate(signature.classes)}
    unknown = [label for label in labels if label not in index]
    if unknown:
        raise InvalidJob(
            f"column {name!r} has labels that the model was not trained on: {listed(unknown)}; "
            f"it knows {listed(signature.classes)}"
        )
    return np.array([index[label] for label in labels], dtype=np.int32)[inverse]


def is_one_hot(values: Values, classes: int) -> bool:
    """Whether each row has one place for each class, and a 1 in one of them."""
    if values.ndim != 2 or values.shape[1] != classes or values.dtype.kind not in "biuf":
        return False
    return bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all())


def class_labels(values: Values, name: str, numbering: Numbering) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct labels of a target column in sorted order, and the index of each row's label.

    Text stays as it is, whole numbers lose their decimals, booleans become False and True.

    Raises:
        InvalidJob: a row has no label or several.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InvalidJob(
            f"target {name!r} has entries of shape {values.shape[1:]}; expected one label per row, or one-hot rows"
        )
    if values.dtype.kind in "OU":
        values = texts(values, name, numbering)
    elif values.dtype.kind == "f":
        numbers(values, name, numbering=numbering)
    elif values.dtype.kind not in "biu":
        raise InvalidJob(f"target {name!r} holds {values.dtype.name}; expected labels")
    distinct, inverse = np.unique(values, return_inverse=True)
    return [label_of(label) for label in distinct.tolist()], inverse


def in_order(labels: Iterable[Value]) -> list[Value]:
    """Labels as they number a signature's classes: text by the alphabet, numbers by size, so that 10 comes after 9."""
    return sorted(labels, key=lambda label: (isinstance(label, str), label))


def label_of(label: Value) -> str:
    """How a label is spelt: a whole number without decimals."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
