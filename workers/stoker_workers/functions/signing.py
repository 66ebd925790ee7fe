"""Reading off a Keras model what it takes and gives."""

import re

import keras

from stoker.errors import InvalidArgument
from stoker.models.signature import Signature, Task, TensorSpec

from ..ml.networks.activation import gives_probabilities

# What Keras calls an input that nobody has given a name.
_NAMELESS = re.compile(r"(keras_tensor|input_layer|input)(_\d+)?(CLONE)?")
# What arrays without names are called in data.
_ONLY_INPUT, _ONLY_TARGET = "x", "y"


def read_signature(
    model: keras.Model, *, task: Task | None, classes: tuple[str, ...], target: str | None
) -> tuple[Signature, list[str]]:
    """The signature of a model with one output, and what was guessed for it.

    Raises:
        InvalidArgument: it has no known inputs, or several outputs; or the labels are not as many as its units.
    """
    if not model.built or not model.inputs:
        raise InvalidArgument("its inputs are not known: build it by keras.Input, or give signature=")
    if len(model.outputs) != 1:
        raise InvalidArgument(f"it has {len(model.outputs)} outputs: give signature=, with parts for each of them")
    [output] = model.outputs
    units = output.shape[-1] if len(output.shape) == 2 else None
    guessed = task or _task(model, units, classes)
    labels = classes or _labels(guessed, units)
    _check_labels(guessed, labels, units)
    notes = [] if task else [f"taken for a model of {guessed}, by its output; task= says otherwise"]
    if labels and not classes:
        notes.append(f"its classes are called {', '.join(labels[:3])}, …; classes= names them")
    return (
        Signature(
            inputs=_inputs(model),
            outputs=(TensorSpec(name=target or _ONLY_TARGET, shape=tuple(output.shape[1:]), dtype=output.dtype),),
            task=guessed,
            classes=labels,
            target=target,
            logits=bool(labels) and not gives_probabilities(model),
        ),
        notes,
    )


def _inputs(model: keras.Model) -> tuple[TensorSpec, ...]:
    structure = None if isinstance(model, keras.Sequential) else model.input
    named = structure if isinstance(structure, dict) else {tensor.name: tensor for tensor in model.inputs}
    if len(named) == 1:
        named = {_ONLY_INPUT if _NAMELESS.fullmatch(name) else name: tensor for name, tensor in named.items()}
    return tuple(
        TensorSpec(name=name, shape=tuple(tensor.shape[1:]), dtype=tensor.dtype) for name, tensor in named.items()
    )


def _task(model: keras.Model, units: int | None, classes: tuple[str, ...]) -> Task:
    if units is None or not (classes or gives_probabilities(model)):
        return "regression"
    return "binary" if units == 1 else "multiclass"


def _labels(task: Task, units: int | None) -> tuple[str, ...]:
    match task:
        case "binary":
            return ("0", "1")
        case "multiclass" | "multilabel" | "pixels":
            return tuple(map(str, range(units or 0)))
    return ()


def _check_labels(task: Task, labels: tuple[str, ...], units: int | None) -> None:
    expected = {"binary": 2, "multiclass": units, "multilabel": units}.get(task, len(labels))
    if expected is not None and len(labels) != expected:
        raise InvalidArgument(f"it gives {expected} classes and {len(labels)} are named: classes= names each of them")
