"""The column to predict: rows without one, labels, and its encoding by a model's signature."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import listed
from stoker.models.rows import encode
from stoker.models.signature import Signature, Task, TensorSpec
from stoker.models.values import FLOAT32_MOST, FROM_0, Numbering, numbers, texts

from ..columns.stats import Moments, Value
from ..data import Values
from ..data.source import absent, rows_of
from .labels import encode_labels
from .pixels import encode_masks

EncodedTarget = NDArray[np.int32] | NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """What an output of a model is to predict, summarised from the training data.

    Attributes:
        name: that of the output.
        columns: the columns that it is read from; of a reconstruction, the features.
        task: the meaning of the output.
        classes: the labels in order; empty for regression.
        class_rows: the number of training rows of each class.
        shape: that of one row; () for a label or a plain number; height and width of a mask.
        moments: of the numbers to predict in the training rows; None for classes.
        spreads: in which a reconstruction's error is measured; see `Signature`.
    """

    name: str
    columns: tuple[str, ...]
    task: Task
    classes: tuple[str, ...] = ()
    class_rows: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    moments: Moments | None = None
    spreads: tuple[float, ...] = ()

    def signature(self, units: int, *, logits: bool, named: bool) -> Signature:
        """The meaning of an output of so many units, which gives raw scores if `logits`.

        Args:
            named: whether the data's columns have names.
        """
        low, high = (self.moments.low, self.moments.high) if self.moments else (None, None)
        several = len(self.columns) > 1
        if self.task == "reconstruction":
            shape, several = self.shape, named and self.shape == (len(self.columns),)
        else:
            shape = (*self.shape, units) if self.task == "pixels" else (units,)
        return Signature(
            inputs=(),
            outputs=(TensorSpec(name=self.name, shape=shape, dtype="float32", low=low, high=high),),
            task=self.task,
            classes=self.classes,
            target=self.columns[0] if named and not several and self.task != "reconstruction" else None,
            columns=self.columns if several else (),
            logits=logits,
            spreads=self.spreads,
        )


def has_target(*columns: Values) -> NDArray[np.bool_]:
    """Which rows have a target in each of the columns; one of several numbers is there if all of them are."""
    return cast(NDArray[np.bool_], np.logical_and.reduce([_present(values) for values in columns]))


def with_target(columns: Mapping[str, Values], names: Iterable[str]) -> NDArray[np.bool_]:
    """Which rows have a target in each of these columns: all, where there are none of them."""
    chosen = [columns[name] for name in names]
    return has_target(*chosen) if chosen else np.ones(rows_of(columns), dtype=bool)


def truth_columns(signature: Signature) -> tuple[str, ...]:
    """The columns with what a model is to predict: of arrays y; none where it reconstructs what it takes."""
    return () if signature.task == "reconstruction" else signature.target_columns or ("y",)


def _present(values: Values) -> NDArray[np.bool_]:
    if values.dtype == object:
        present = ~absent(values)
    elif values.dtype.kind == "f":
        present = ~np.isnan(values)
    else:
        return np.ones(len(values), dtype=bool)
    return cast(NDArray[np.bool_], present.all(axis=tuple(range(1, values.ndim))))


def encode_target(signature: Signature, columns: Mapping[str, Values], numbering: Numbering = FROM_0) -> EncodedTarget:
    """Encode the target of an output: as class indices (int32, one for each row), as numbers (float32, of the same
    shape; of several columns beside each other; of a
    reconstruction, NaN where one is missing), or as 0 and 1 (float32) for each label of those that hold at once.

    Args:
        columns: all rows have a target in them.
        numbering: the number of each row, for messages.

    Raises:
        InvalidJob: a label that the model was not trained on, or a missing or infinite value.
    """
    if signature.task == "reconstruction":
        [truth] = encode(signature.inputs, columns, numbering).values()
        return truth.astype(np.float32)
    names = truth_columns(signature)
    if signature.task == "regression":
        exact = [numbers(columns[name], name, numbering=numbering, most=FLOAT32_MOST) for name in names]
        parts = [each.astype(np.float32) for each in exact]
        return parts[0] if len(parts) == 1 else np.stack(parts, axis=1)
    if signature.task == "multilabel":
        return encode_labels(signature, columns, numbering)
    [name] = names
    values = columns[name]
    if signature.task == "pixels":
        height, width, _ = (size or 1 for size in signature.outputs[0].shape)
        return encode_masks(values, signature.classes, (height, width), name, numbering)
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
