"""The objective of a training: the loss that fits the target and the network's last layer."""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.kinds.train import CROSS_ENTROPIES, Loss

from ..preprocessing.profile import Profile
from ..preprocessing.target import EncodedTarget

_TRANSPARENT = frozenset({"Reshape", "Flatten", "Dropout", "Identity", "Cast", "Squeeze"})
"""Layers and operations that change neither probabilities nor raw scores."""
_PROBABILITIES = frozenset({"softmax", "sigmoid", "hard_sigmoid", "hardsigmoid"})


@dataclass(frozen=True)
class Scale:
    """How numbers to predict are centred and scaled for the network.

    Attributes:
        mean, spread: of each output unit, float32.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    def scaled(self, target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Targets as the network learns them."""
        scaled: NDArray[np.float32] = (target - self.mean) / self.spread
        return scaled

    def unscaled(self, tensor: tf.Tensor) -> tf.Tensor:
        """What the network learns or gives, as numbers to predict."""
        return tensor * self.spread + self.mean


@dataclass(frozen=True)
class Objective:
    """A loss and a metric, computed row by row.

    Attributes:
        name: the loss.
        loss: the Keras loss with which the saved model is compiled.
        metric: "accuracy" for classes, "mae" for numbers.
        from_logits: whether the network's outputs are raw scores, not probabilities or numbers.
        units: output units of the network.
        class_weights: the weight of each class in the training loss; None for equal weights.
        scale: of numbers to predict; None where the network gives them as they are.
    """

    name: Loss
    loss: keras.losses.Loss
    metric: Literal["accuracy", "mae"]
    from_logits: bool
    units: int
    class_weights: tuple[float, ...] | None
    scale: Scale | None = None

    def target(self, encoded: EncodedTarget) -> EncodedTarget:
        """Encoded targets in the shape for `losses`: class indices, or one float32 for each output unit."""
        if self.name in ("sparse_categorical_crossentropy", "categorical_crossentropy"):
            return encoded
        numbers = encoded.astype(np.float32).reshape(len(encoded), self.units)
        return self.scale.scaled(numbers) if self.scale else numbers

    def losses(self, target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """The loss of each row."""
        if self.name == "categorical_crossentropy":
            target = tf.one_hot(target, self.units)
        return self.loss.call(target, output)

    def reported(self, target: tf.Tensor, output: tf.Tensor, losses: tf.Tensor) -> tf.Tensor:
        """The loss of each row in the target's own units."""
        if self.scale is None:
            return losses
        return self.losses(self.scale.unscaled(target), self.scale.unscaled(output))

    def weights(self, target: tf.Tensor) -> tf.Tensor | None:
        """The weight of each row in the training loss."""
        if self.class_weights is None:
            return None
        index = tf.reshape(tf.cast(target, tf.int32), [-1])
        return tf.gather(tf.constant(self.class_weights, tf.float32), index)

    def scores(self, target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """The metric of each row."""
        if self.metric == "mae":
            error = tf.abs(target - output)
            return tf.reduce_mean(error * self.scale.spread if self.scale else error, axis=-1)
        if self.name == "binary_crossentropy":
            threshold = 0.0 if self.from_logits else 0.5
            hit = tf.equal(output > threshold, target > 0.5)
            return tf.cast(tf.reshape(hit, [-1]), tf.float32)
        return tf.cast(tf.equal(tf.argmax(output, axis=-1, output_type=tf.int32), target), tf.float32)

    def keras_metric(self) -> keras.metrics.Metric:
        """The metric as a Keras object, for compiling the saved model."""
        if self.metric == "mae":
            return keras.metrics.MeanAbsoluteError(name="mae")
        if self.name == "binary_crossentropy":
            return keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0 if self.from_logits else 0.5)
        if self.name == "categorical_crossentropy":
            return keras.metrics.CategoricalAccuracy(name="accuracy")
        return keras.metrics.SparseCategoricalAccuracy(name="accuracy")


def choose_objective(spec: Train, network: keras.Model, profile: Profile) -> Objective:
    """The loss of the spec, or one that fits the target, checked against the network's last layer.

    Raises:
        InvalidJob: loss, target and last layer do not fit together.
    """
    units = int(network.outputs[0].shape[-1])
    activation = output_activation(network)
    name = _fitting_loss(spec, profile, units)
    _check_activation(name, activation, units)
    raw = name in CROSS_ENTROPIES and activation not in _PROBABILITIES
    if spec.from_logits is not None and spec.from_logits != raw:
        raise InvalidJob(_contradiction(spec.from_logits, activation, name))
    return Objective(
        name=name,
        loss=_keras_loss(name, raw),
        metric="accuracy" if profile.classes else "mae",
        from_logits=raw,
        units=units,
        class_weights=_class_weights(spec, profile),
        scale=_scale(profile, units) if spec.normalize and activation == "linear" else None,
    )


def output_activation(model: keras.Model) -> str:
    """The last activation of a model's output: "softmax", "sigmoid", "linear", "relu", …

    It may be an argument of a layer, a layer or an operation, also inside nested models.
    """
    tensor = model.outputs[0]
    while True:
        # The graph behind a symbolic tensor has no public name; Keras' own exporters read it this way too.
        operation, node, _ = tensor._keras_history  # noqa: SLF001
        if isinstance(operation, keras.Model):
            return output_activation(operation)
        name = _activation_name(operation)
        passes = name == "linear" and isinstance(operation, keras.layers.Activation)
        if not passes and type(operation).__name__ not in _TRANSPARENT:
            return name
        tensor = operation._inbound_nodes[node].input_tensors[0]  # noqa: SLF001


def gives_probabilities(model: keras.Model) -> bool:
    """Whether a classifier's outputs are probabilities, not raw scores (logits)."""
    return output_activation(model) in _PROBABILITIES


def _activation_name(operation: keras.Operation) -> str:
    function = getattr(operation, "activation", None)
    if function is not None:
        return str(getattr(function, "__name__", type(function).__name__)).lower()
    own = type(operation).__name__.lower()
    return own if own in _PROBABILITIES or own in ("relu", "tanh", "logsoftmax") else "linear"


def _fitting_loss(spec: Train, profile: Profile, units: int) -> Loss:
    classes, target = len(profile.classes), profile.target
    if not classes:
        if spec.loss in CROSS_ENTROPIES or spec.from_logits is not None:
            raise InvalidJob(
                f"target {target!r} holds numbers, and {spec.loss or 'from_logits'} is for classes; use mse, mae or "
                "huber, or set task='classification' if the numbers are labels"
            )
        return spec.loss or "mse"
    name = spec.loss or ("binary_crossentropy" if units == 1 else "sparse_categorical_crossentropy")
    if name not in CROSS_ENTROPIES:
        raise InvalidJob(
            f"target {target!r} holds {classes} classes, and loss={name!r} is for numbers; use a cross-entropy, or set "
            "task='regression'"
        )
    if name == "binary_crossentropy" and (classes, units) != (2, 1):
        raise InvalidJob(
            f"binary_crossentropy needs two classes and one output unit; there are {classes} classes and {units} "
            "unit(s): use sparse_categorical_crossentropy"
        )
    if name != "binary_crossentropy" and units != classes:
        raise InvalidJob(
            f"{name} needs one output unit per class; there are {classes} classes and {units} unit(s): "
            "use binary_crossentropy or change the last layer"
        )
    return name


def _check_activation(name: Loss, activation: str, units: int) -> None:
    if activation == "softmax" and name not in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        raise InvalidJob(
            f"the last layer is a softmax over {units} unit(s), whose outputs always sum to 1, and does not fit "
            f"{name}; use {'sigmoid' if name == 'binary_crossentropy' else 'a linear output'}"
        )
    if activation in _PROBABILITIES - {"softmax"} and name.endswith("categorical_crossentropy"):
        raise InvalidJob(
            f"the last layer is a {activation}, which scores each class for itself, but {name} needs a distribution "
            "over the classes; use softmax, or linear"
        )


def _contradiction(from_logits: bool, activation: str, name: Loss) -> str:
    if name not in CROSS_ENTROPIES:
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


def _keras_loss(name: Loss, from_logits: bool) -> keras.losses.Loss:
    match name:
        case "mse":
            return keras.losses.MeanSquaredError()
        case "mae":
            return keras.losses.MeanAbsoluteError()
        case "huber":
            return keras.losses.Huber()
        case "binary_crossentropy":
            return keras.losses.BinaryCrossentropy(from_logits=from_logits)
        case "categorical_crossentropy":
            return keras.losses.CategoricalCrossentropy(from_logits=from_logits)
        case "sparse_categorical_crossentropy":
            return keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)


def _scale(profile: Profile, units: int) -> Scale | None:
    """The scale of the training rows' targets; what is constant among them is only centred."""
    if profile.targets is None:
        return None
    mean, spread = profile.targets.mean, np.sqrt(profile.targets.variance)
    spread = np.where(spread > 1e-12 * np.abs(mean), spread, 1.0)
    shape = profile.target_shape or (1,)
    return Scale(*(np.broadcast_to(each, shape).reshape(units).astype(np.float32) for each in (mean, spread)))


def _class_weights(spec: Train, profile: Profile) -> tuple[float, ...] | None:
    if spec.class_weights is None:
        return None
    if not profile.classes:
        raise InvalidJob(f"class_weights are for classes, but target {profile.target!r} holds numbers; leave them out")
    if spec.class_weights == "balanced":
        return tuple(profile.rows / (len(profile.classes) * max(rows, 1)) for rows in profile.class_rows)
    unknown = sorted(set(spec.class_weights) - set(profile.classes))
    if unknown:
        raise InvalidJob(
            f"class_weights names {', '.join(unknown)}, but target {profile.target!r} has the classes "
            f"{', '.join(profile.classes[:20])}"
        )
    return tuple(spec.class_weights.get(label, 1.0) for label in profile.classes)
