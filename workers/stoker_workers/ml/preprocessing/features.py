"""From raw columns to a model's inputs, by its signature; the same for training, evaluation and inference."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.manifest import Signature, TensorSpec

from ..data import Values

EncodedInputs = NDArray[np.float32] | dict[str, Values]
"""One tensor of numbers, or one array for each named input (float32, or an object array of str)."""


def encode_inputs(signature: Signature, columns: Mapping[str, Values]) -> EncodedInputs:
    """Encode the model's inputs; other columns are ignored.

    Raises:
        InvalidJob: a column is missing, has rows of another shape, or has missing or infinite values.
    """
    return encode(signature.inputs, columns)


def encode_target(signature: Signature, values: Values) -> NDArray[np.float32] | NDArray[np.int32]:
    """Encode the target: as class indices (int32, one for each row) or numbers (float32, of the same shape).

    Raises:
        InvalidJob: a label that the model was not trained on, or a missing or infinite value.
    """
    name = signature.target or "y"
    if signature.task == "regression":
        return numbers(values, name)
    labels, inverse = class_labels(values, name)
    index = {label: position for position, label in enumerate(signature.classes)}
    unknown = [label for label in labels if label not in index]
    if unknown:
        raise InvalidJob(
            f"column {name!r} has labels that the model was not trained on: {_listed(unknown)}; "
            f"it knows {_listed(signature.classes)}"
        )
    return np.array([index[label] for label in labels], dtype=np.int32)[inverse]


def encode(inputs: Sequence[TensorSpec], columns: Mapping[str, Values], first_row: int = 0) -> EncodedInputs:
    """`encode_inputs` for a list of tensors; messages count rows from `first_row`."""
    if len(inputs) == 1 and inputs[0].dtype != "string":
        return _tensor(inputs[0], columns, first_row)
    return {
        spec.name: texts(_column(spec.name, columns), spec.name, first_row)
        if spec.dtype == "string"
        else _tensor(spec, columns, first_row)
        for spec in inputs
    }


def numbers(values: Values, name: str, first_row: int = 0) -> NDArray[np.float32]:
    """A column as float32.

    Raises:
        InvalidJob: it does not hold numbers, or one is missing or infinite.
    """
    if values.dtype.kind not in "biuf":
        raise InvalidJob(f"column {name!r} holds {_kind(values)}; expected numbers")
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinite, and are refused below
        converted = values.astype(np.float32)
    finite = np.isfinite(converted)
    if not finite.all():
        row = int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))
        value = values[row][~finite[row]][0] if values.ndim > 1 else values[row]
        raise InvalidJob(
            f"column {name!r} holds {value} in row {first_row + row} (the first row is 0); expected a finite number: "
            "fill or drop such rows"
        )
    return converted


def texts(values: Values, name: str, first_row: int = 0) -> Values:
    """A column of text, as an object array of str.

    Raises:
        InvalidJob: it does not hold text, or one is missing.
    """
    if values.dtype.kind == "U":
        return values.astype(object)
    if values.dtype != object:
        raise InvalidJob(f"column {name!r} holds {_kind(values)}; expected text")
    for row, value in enumerate(values.ravel()):
        if not isinstance(value, str):
            raise InvalidJob(
                f"column {name!r} holds {value!r} in row {first_row + row} (the first row is 0); expected text: "
                "fill or drop such rows"
            )
    return values


def class_labels(values: Values, name: str, first_row: int = 0) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct labels of a target column in sorted order, and the index of each row's label.

    Text stays as it is, whole numbers lose their decimals, booleans become False and True.

    Raises:
        InvalidJob: a row has no label or several, or a number is not whole.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InvalidJob(
            f"target {name!r} has entries of shape {values.shape[1:]}; expected one label per row "
            "(for one-hot rows, store their argmax)"
        )
    if values.dtype.kind in "OU":
        values = texts(values, name, first_row)
    elif values.dtype.kind == "f":
        whole = values.astype(np.int64) if np.isfinite(values).all() else None
        if whole is None or (whole != values).any():
            numbers(values, name, first_row)
            raise InvalidJob(
                f"target {name!r} holds numbers that are not whole, which cannot be classes; set task='regression'"
            )
        values = whole
    elif values.dtype.kind not in "biu":
        raise InvalidJob(f"target {name!r} holds {_kind(values)}; expected labels")
    distinct, inverse = np.unique(values, return_inverse=True)
    return [str(label) for label in distinct], inverse


def _tensor(spec: TensorSpec, columns: Mapping[str, Values], first_row: int) -> NDArray[np.float32]:
    if spec.columns:
        parts = [_scalar(_column(name, columns), name, first_row) for name in spec.columns]
        return np.stack(parts, axis=1)
    values = _column(spec.name, columns)
    if values.shape[1:] != spec.shape:
        raise InvalidJob(f"column {spec.name!r} has rows of shape {values.shape[1:]}; the model takes {spec.shape}")
    return numbers(values, spec.name, first_row)


def _scalar(values: Values, name: str, first_row: int) -> NDArray[np.float32]:
    if values.ndim != 1:
        raise InvalidJob(f"column {name!r} has rows of shape {values.shape[1:]}; expected one number per row")
    return numbers(values, name, first_row)


def _column(name: str, columns: Mapping[str, Values]) -> Values:
    if name not in columns:
        raise InvalidJob(f"the data has no column {name!r}, which the model takes; it has {_listed(list(columns))}")
    return columns[name]


def _kind(values: Values) -> str:
    return "text" if values.dtype.kind in "OU" else values.dtype.name


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, map(str, names[:10]))) + more
