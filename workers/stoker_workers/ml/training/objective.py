"""The objective of an output: the loss that fits its target and the network's last layer, and its metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import keras
import numpy as np
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.kinds.training.outputs import Output, is_own

from ..networks.activation import PROBABILITIES, output_activation
from ..networks.heads import outputs_of
from ..preprocessing.profile import Profile
from ..preprocessing.target import EncodedTarget, Target
from .authors import NOTHING, Allowed
from .imitation import Imitation
from .loss_choice import fitting_loss
from .losses import RowLosses, by_pixel, keras_loss, mean_of_pixels, row_losses
from .measures import Measure
from .metrics import choose_metrics
from .reconstruction import known_cells, of_known_cells, reconstruction_scale
from .scale import Scale, number_scale


@dataclass(frozen=True)
class Objective:
    """A loss and metrics of one output, computed row by row.

    Attributes:
        target: what it predicts.
        name: the loss.
        compute: the loss of each row, from targets and outputs.
        saved: the Keras loss with which the saved model is compiled; None for the author's own.
        measures: the metrics.
        from_logits: whether the network's outputs are raw scores, not probabilities or numbers.
        units: output units of the network.
        class_weights: the weight of each class in the training loss; None for equal weights.
        scale: of numbers to predict; None where the network gives them as they are.
        in_own_units: whether the loss is one of the numbers themselves, not of scaled ones.
        weight: of the loss in the sum of several outputs'.
        imitation: how a teacher's answers are learned besides; None where there is no teacher.
    """

    target: Target
    name: str
    compute: RowLosses
    saved: keras.losses.Loss | None
    measures: tuple[Measure, ...]
    from_logits: bool
    units: int
    class_weights: tuple[float, ...] | None
    scale: Scale | None = None
    in_own_units: bool = False
    weight: float = 1.0
    imitation: Imitation | None = None

    @property
    def by_index(self) -> bool:
        """Whether targets are class numbers, one for each row or, of masks, for each pixel."""
        return self.target.task == "pixels" or (self.target.task in ("binary", "multiclass") and self.units > 1)

    @property
    def target_spec(self) -> tf.TensorSpec:
        """What `encoded` gives."""
        place = self.target.shape if self.target.task == "pixels" else ()
        return (
            tf.TensorSpec((None, *place), tf.int32) if self.by_index else tf.TensorSpec((None, self.units), tf.float32)
        )

    def encoded(self, target: EncodedTarget) -> EncodedTarget:
        """Encoded targets as `losses` takes them: class numbers, or one float32 for each output unit."""
        if self.by_index:
            return target
        numbers = target.astype(np.float32).reshape(len(target), self.units)
        return self.scale.scaled(numbers) if self.scale else numbers

    def losses(self, target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """The loss of each row, which is learned."""
        if self.scale and self.in_own_units:
            return self.compute(self.scale.unscaled(target), self.scale.unscaled(output))
        return self.compute(target, output)

    def reported(self, target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """The loss of each row in the target's own units."""
        if self.scale is None or self.target.task == "reconstruction":  # of columns, each has units of its own
            return self.compute(target, output)
        if self.in_own_units:
            return self.losses(target, output)
        # In float64: squares of numbers such as 1e30, or 1e-30, are none of float32's.
        return self.compute(*(self.scale.unscaled(tf.cast(tensor, tf.float64)) for tensor in (target, output)))

    def weights(self, target: tf.Tensor) -> tf.Tensor | None:
        """The weight of each row in the training loss, by its class."""
        if self.class_weights is None:
            return None
        weights = tf.constant(self.class_weights, tf.float32)
        return tf.gather(weights, tf.reshape(tf.cast(target, tf.int32), [-1]))

    def sums(self, target: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """What a batch adds to the metrics, one after the other."""
        if self.target.task == "reconstruction":
            target, output, share = known_cells(target, output)
            weights = weights * tf.cast(share, weights.dtype)
        else:
            target, output = (self._from_mean_on(tensor) for tensor in (target, output))
        if self.target.task == "pixels":
            target, output, weights = by_pixel(target, output, weights)
        return tf.concat([measure.sums(target, output, weights) for measure in self.measures], axis=0)

    def keras_metric(self) -> keras.metrics.Metric:
        """A metric as a Keras object, for compiling the saved model."""
        if not self.target.classes:
            return keras.metrics.MeanAbsoluteError(name="mae")
        if not self.by_index:
            return keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0 if self.from_logits else 0.5)
        if self.name in ("categorical_crossentropy", "focal"):
            return keras.metrics.CategoricalAccuracy(name="accuracy")
        return keras.metrics.SparseCategoricalAccuracy(name="accuracy")

    def _from_mean_on(self, tensor: tf.Tensor) -> tf.Tensor:
        """Numbers in their own units without the mean, at which float32 would lose their digits."""
        return tf.cast(tensor, tf.float64) * tf.constant(self.scale.spread, tf.float64) if self.scale else tensor


def choose_objectives(
    spec: Train,
    network: keras.Model,
    profile: Profile,
    allowed: Allowed = NOTHING,
    scales: Mapping[str, Scale] | None = None,
) -> tuple[Objective, ...]:
    """Of each output the loss of the spec, or one that fits the target, checked against the network's last layer.

    Args:
        allowed: what of the author's the settings allow.
        scales: how numbers are scaled, by output, for a network that is trained already; None for a new one.

    Raises:
        InvalidJob: loss, metrics, target and last layer do not fit together.
    """
    names = sorted(target.name for target in profile.targets)  # as Keras orders the outputs of a dict
    outputs = outputs_of(spec, profile.targets)
    return tuple(
        _objective(spec, output, target, network, names.index(target.name), profile, allowed, scales)
        for target, output in zip(profile.targets, outputs, strict=True)
    )


def _objective(
    spec: Train,
    output: Output,
    target: Target,
    network: keras.Model,
    place: int,
    profile: Profile,
    allowed: Allowed,
    scales: Mapping[str, Scale] | None,
) -> Objective:
    units = _units(network, place, target)
    activation = output_activation(network, place)
    name = fitting_loss(spec, output, target, units, activation)
    raw = bool(target.classes) and activation not in PROBABILITIES
    if scales is not None:
        scale = scales.get(target.name)
    elif target.task == "reconstruction":
        scale = reconstruction_scale(target, activation, normalize=spec.normalize)
    else:
        scale = number_scale(target) if spec.normalize and activation == "linear" else None
    own, saved = is_own(name), None
    if own:
        compute = allowed.loss(name)
    else:
        saved = keras_loss(name, units, from_logits=raw, one_hot=target.task in ("binary", "multiclass", "pixels"))
        compute = row_losses(saved, units)
        if target.task == "pixels":
            compute = mean_of_pixels(compute)
        if target.task == "reconstruction":
            compute = of_known_cells(compute)
    return Objective(
        target=target,
        name=name,
        compute=compute,
        saved=saved,
        measures=choose_metrics(
            output.metrics, target, units, from_logits=raw, offset=scale.mean if scale else None, allowed=allowed
        ),
        from_logits=raw,
        units=units,
        class_weights=_class_weights(spec, target, profile.rows),
        scale=scale,
        in_own_units=own or name == "msle",
        weight=output.weight,
    )


def _units(network: keras.Model, place: int, target: Target) -> int:
    return prod(target.shape) if target.task == "reconstruction" else int(network.outputs[place].shape[-1])


def _class_weights(spec: Train, target: Target, rows: int) -> tuple[float, ...] | None:
    names = ", ".join(map(repr, target.columns))
    if spec.class_weights is None:
        return None
    if target.task == "pixels":
        raise InvalidJob("class_weights weigh rows, and a row of masks has pixels of several classes; leave them out")
    if target.task == "multilabel":
        raise InvalidJob(
            f"class_weights are for a single class in each row, but target {names} holds labels; use loss='focal', "
            "which weighs rare ones up"
        )
    if not target.classes:
        raise InvalidJob(f"class_weights are for classes, but target {names} holds numbers; leave them out")
    if spec.class_weights == "balanced":
        return tuple(rows / (len(target.classes) * max(count, 1)) for count in target.class_rows)
    unknown = sorted(set(spec.class_weights) - set(target.classes))
    if unknown:
        raise InvalidJob(
            f"class_weights names {', '.join(unknown)}, but target {names} has the classes "
            f"{', '.join(target.classes[:20])}"
        )
    return tuple(spec.class_weights.get(label, 1.0) for label in target.classes)
