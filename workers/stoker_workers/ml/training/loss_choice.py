"""Which loss an output is learned by: one that fits its target and the network's last layer."""

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.kinds.training.outputs import CLASS_LOSSES, LABEL_LOSSES, NUMBER_LOSSES, Output, is_own

from ..networks.activation import PROBABILITIES
from ..preprocessing.target import Target


def fitting_loss(spec: Train, output: Output, target: Target, units: int, activation: str) -> str:
    """The loss of the spec, or the usual one of the target.

    Args:
        units, activation: of the network's last layer.

    Raises:
        InvalidJob: loss, target and last layer do not fit together.
    """
    name = _of_target(spec, output, target, units)
    _check_activation(name, target, activation, units)
    raw = bool(target.classes) and activation not in PROBABILITIES
    if spec.from_logits is not None and spec.from_logits != raw:
        raise InvalidJob(_contradiction(spec.from_logits, activation, name))
    return name


def _of_target(spec: Train, output: Output, target: Target, units: int) -> str:
    classes, names = len(target.classes), ", ".join(map(repr, target.columns))
    if output.loss and is_own(output.loss):
        return output.loss
    if not classes:
        return _loss_of_numbers(spec, output, target, names)
    if target.task == "multilabel":
        return _loss_of_labels(output, names)
    name = output.loss or ("binary_crossentropy" if units == 1 else "sparse_categorical_crossentropy")
    if name in NUMBER_LOSSES:
        raise InvalidJob(
            f"target {names} holds {classes} classes, and loss={name!r} is for numbers; use a cross-entropy, or set "
            "task='regression'"
        )
    if name == "binary_crossentropy" and (classes, units) != (2, 1):
        raise InvalidJob(
            f"binary_crossentropy needs two classes and one output unit; there are {classes} classes and {units} "
            "unit(s): use sparse_categorical_crossentropy"
        )
    if name != "binary_crossentropy" and units != classes and not (name == "focal" and (classes, units) == (2, 1)):
        raise InvalidJob(
            f"{name} needs one output unit per class; there are {classes} classes and {units} unit(s): "
            "use binary_crossentropy or change the last layer"
        )
    return name


def _loss_of_labels(output: Output, names: str) -> str:
    name = output.loss or "binary_crossentropy"
    if name not in LABEL_LOSSES:
        raise InvalidJob(
            f"target {names} holds labels that hold at once, and loss={name!r} is not for those; use "
            f"{' or '.join(LABEL_LOSSES)}"
        )
    return name


def _loss_of_numbers(spec: Train, output: Output, target: Target, names: str) -> str:
    if output.loss in CLASS_LOSSES or spec.from_logits is not None:
        raise InvalidJob(
            f"target {names} holds numbers, and {output.loss or 'from_logits'} is for classes; use mse, mae or "
            "huber, or set task='classification' if the numbers are labels"
        )
    if output.loss == "msle" and target.moments and target.moments.low < 0:
        raise InvalidJob(
            f"msle compares logarithms of numbers from 0 on, but target {names} falls to {target.moments.low:g}: use "
            "mse, mae or huber"
        )
    return output.loss or "mse"


def _check_activation(name: str, target: Target, activation: str, units: int) -> None:
    one_of_many = target.task == "pixels" or (target.task in ("binary", "multiclass") and units > 1)
    if is_own(name):
        return
    if activation == "softmax" and not one_of_many:
        raise InvalidJob(
            f"the last layer is a softmax over {units} unit(s), whose outputs always sum to 1, and does not fit "
            f"{name}; use {'sigmoid' if target.classes else 'a linear output'}"
        )
    if activation in PROBABILITIES - {"softmax"} and one_of_many:
        raise InvalidJob(
            f"the last layer is a {activation}, which scores each class for itself, but {name} needs a distribution "
            "over the classes; use softmax, or linear"
        )


def _contradiction(from_logits: bool, activation: str, name: str) -> str:
    if name not in CLASS_LOSSES:
        return f"from_logits is for a cross-entropy, not for {name}; leave it out"
    if from_logits:
        return (
            f"from_logits=True, but the last layer is a {activation}, which already gives probabilities: they would be "
            "squashed a second time; leave from_logits out or drop the activation"
        )
    return (
        f"from_logits=False, but the last layer ({activation}) gives raw scores, which would be read as probabilities; "
        "leave from_logits out or add a softmax or sigmoid"
    )
