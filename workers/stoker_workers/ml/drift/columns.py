"""What is watched of requests: columns of numbers and categories, made of a model's tensors and outputs.

Of texts and pictures nothing is kept but how long and how bright they are, and of large arrays their mean and spread.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.predictions import HOLDS, label_probabilities, probabilities
from stoker.models.rows import MISSING_CATEGORY
from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import Array, Outputs, Tensors

from .reference import Values

PREDICTION, CONFIDENCE = "prediction", "confidence"
# Numbers of an array without names that are columns of their own; of more, a row's mean and spread are watched.
_MOST_NUMBERS = 100
_MOST_OUTPUTS = 16
_MOST_COLUMNS = 500
_LONGEST_CATEGORY = 64


def columns_of(
    version: ModelVersion, inputs: Tensors, outputs: Outputs, off: Collection[str] = ()
) -> dict[str, Values]:
    """The columns of some rows: what was predicted, and then what was asked.

    Args:
        inputs: the model's tensors.
        off: inputs, columns and outputs that are left out.

    Raises:
        InvalidJob: the inputs are not the model's.
    """
    signature = version.signature
    made: dict[str, Values] = {}
    for output, part in signature.each.items():
        array = np.asarray(outputs[output] if signature.parts else outputs)
        prefix = f"{output}: " if signature.parts else ""
        if output not in off and PREDICTION not in off:
            made |= {f"{prefix}{name}": values for name, values in _predicted(part, array)}
    given = Inputs(signature, version.ref)
    tensors = given.conform(given.ordered(inputs))
    for spec, array in zip(signature.inputs, tensors, strict=True):
        if spec.name not in off:
            made |= {name: values for name, values in _asked(spec, array, off) if name not in off}
    return dict(list(made.items())[:_MOST_COLUMNS])


def _predicted(part: Signature, outputs: Array) -> Iterator[tuple[str, Values]]:
    if part.task in ("binary", "multiclass"):
        shares = probabilities(outputs, logits=part.logits)
        labels = np.array(part.classes, dtype=object)
        yield PREDICTION, labels[shares.argmax(axis=1)]
        yield CONFIDENCE, shares.max(axis=1)
    elif part.task == "multilabel":
        holds = label_probabilities(outputs, logits=part.logits) >= HOLDS
        yield "labels", holds.sum(axis=1).astype(np.float64)
    elif part.task == "regression" and outputs[0].size <= _MOST_OUTPUTS:
        flat = outputs.reshape(len(outputs), -1).astype(np.float64)
        names = [PREDICTION] if flat.shape[1] == 1 else [f"{PREDICTION} {n}" for n in range(flat.shape[1])]
        yield from zip(names, flat.T, strict=True)
    else:
        yield from _summary(PREDICTION, outputs)


def _asked(spec: TensorSpec, array: Array, off: Collection[str]) -> Iterator[tuple[str, Values]]:
    if spec.kind == "time":  # which moves on
        return
    if spec.dtype == "string":
        if spec.kind == "category":
            for name, texts in _each(spec, array):
                yield name, np.array([_category(text) for text in texts.tolist()], dtype=object)
        elif array.ndim <= 2:
            for name, texts in _each(spec, array):
                yield f"{name}: length", np.array([len(_text(text)) for text in texts.tolist()], dtype=np.float64)
    elif array.ndim == 1 or (spec.columns and array.shape[-1] == len(spec.columns) and array.ndim == 2):
        for name, numbers in _each(spec, array):
            if name not in off:
                yield name, numbers.astype(np.float64)
    elif array.ndim == 2 and array.shape[1] <= _MOST_NUMBERS:
        for at, numbers in enumerate(array.T):
            yield f"{spec.name}[{at}]", numbers.astype(np.float64)
    elif array.ndim == 4:
        yield from _summary(spec.name, array, "brightness", "contrast")
    else:
        yield from _summary(spec.name, array)


def _each(spec: TensorSpec, array: Array) -> Iterator[tuple[str, Array]]:
    names = spec.columns or (spec.name,)
    flat = array.reshape(len(array), -1)
    yield from zip(names, flat.T, strict=False)


def _summary(name: str, array: Array, mean: str = "mean", spread: str = "spread") -> Iterator[tuple[str, Values]]:
    flat = array.reshape(len(array), -1).astype(np.float64)
    yield f"{name}: {mean}", flat.mean(axis=1)
    yield f"{name}: {spread}", flat.std(axis=1)


def _text(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def _category(text: str | bytes) -> str | None:
    category = _text(text)
    return None if category == MISSING_CATEGORY else category[:_LONGEST_CATEGORY]


def answers_of(version: ModelVersion, columns: Mapping[str, Values]) -> list[str] | None:
    """Of each row what was predicted, as a label is held against it; None for a model of more than one answer."""
    part = version.signature
    if part.parts or PREDICTION not in columns or part.task not in ("binary", "multiclass", "regression"):
        return None
    kind = "n" if part.task == "regression" else "c"
    return [f"{kind}:{value!r}" if kind == "n" else f"c:{value}" for value in columns[PREDICTION].tolist()]
