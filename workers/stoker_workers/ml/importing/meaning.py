"""What an output means: what the import says, or else what it looks like."""

from collections.abc import Sequence

import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import ImportedOutput
from stoker.models.signature import Signature, Task, TensorSpec
from stoker.models.tensors import Array

_SLACK = 1e-3


def meant(
    said: ImportedOutput, spec: TensorSpec, rows: Array | None, activation: str | None
) -> tuple[Signature, list[str]]:
    """The signature of an output, without inputs, and what was guessed.

    Args:
        rows: the output for some made-up rows; None if there are none.
        activation: of its last layer, if that is known.

    Raises:
        InvalidJob: classes or task do not fit its shape.
    """
    if rows is not None:
        spec = spec.model_copy(update={"shape": _shape(spec, rows), "dtype": rows.dtype.name})
    distributes = rows is not None and _is_distribution(rows)
    classes = said.classes
    notes = []
    if said.task is None and not classes:
        if not distributes:
            notes.append(f"output {spec.name!r} is taken for numbers; if its units are classes, name them in classes")
            return Signature(inputs=(), outputs=(spec,), task="regression", target=said.target), notes
        notes.append(
            f"output {spec.name!r} is taken for the probabilities of {spec.shape[-1]} classes, for they sum to 1; "
            "their labels are numbers from 0 on: name them in classes, or say that its task is regression"
        )
    if said.task == "regression":
        if classes:
            raise InvalidJob(f"output {spec.name!r} is numbers by its task, which have no classes: leave one out")
        return Signature(inputs=(), outputs=(spec,), task="regression", target=said.target), notes
    task, classes = _of_classes(said, spec, classes)
    logits = said.logits
    if logits is None:
        logits = not _gives_probabilities(task, rows, activation)
        form = "raw scores (logits)" if logits else "probabilities"
        notes.append(f"output {spec.name!r} is taken for {form}: set logits if that is wrong")
    return (
        Signature(inputs=(), outputs=(spec,), task=task, classes=classes, target=said.target, logits=logits),
        notes,
    )


def _shape(spec: TensorSpec, rows: Array) -> tuple[int | None, ...]:
    """The shape of a row: what the file says, and the number of axes that there are."""
    if len(spec.shape) == rows.ndim - 1:
        return spec.shape
    return tuple(rows.shape[1:])


def _of_classes(said: ImportedOutput, spec: TensorSpec, classes: Sequence[str]) -> tuple[Task, tuple[str, ...]]:
    axes = 3 if said.task == "pixels" else 1
    units = spec.shape[-1] if spec.shape else None
    if len(spec.shape) != axes or units is None:
        shape = "(" + ", ".join("any" if size is None else str(size) for size in spec.shape) + ")"
        raise InvalidJob(
            f"output {spec.name!r} gives {shape} for a row, which are no scores of classes: expected one axis"
            f"{'' if axes == 1 else ' of classes behind height and width'}; leave classes and task out"
        )
    names = tuple(classes) or tuple(str(at) for at in range(2 if units == 1 else units))
    if len(names) != units and (units != 1 or len(names) != 2):
        raise InvalidJob(f"output {spec.name!r} has {units} units, and classes names {len(names)}: name one for each")
    if said.task == "pixels":
        return "pixels", names
    if said.task == "multilabel":
        if len(names) != units:
            raise InvalidJob(f"output {spec.name!r} has one unit, and so one label: name one in classes")
        return "multilabel", names
    return ("binary" if len(names) == 2 else "multiclass"), names


def _is_distribution(rows: Array) -> bool:
    if rows.ndim != 2 or rows.shape[1] < 2 or rows.dtype.kind != "f":
        return False
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=_SLACK))


def _gives_probabilities(task: Task, rows: Array | None, activation: str | None) -> bool:
    if activation is not None:
        return activation in ("softmax", "sigmoid", "hard_sigmoid", "hardsigmoid")
    if rows is None:
        return True
    if task in ("binary", "multiclass") and rows.shape[-1] > 1:
        return _is_distribution(rows)
    return bool(((rows >= 0) & (rows <= 1)).all())
