"""Learning to give the input back: the default network, the scale of the numbers, and cells that are missing."""

from math import prod

import numpy as np
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.kinds import MLP, Train

from ..preprocessing.target import Target
from .losses import RowLosses
from .scale import Scale

# The middle of the default network: a share of the row's numbers, and what is enough for most.
_SHARE = 4
_WIDEST = 32
_OUTER = 64


def with_autoencoder(spec: Train, target: Target) -> tuple[Train, str | None]:
    """The spec with a network that is narrow in the middle, if it names none; and what is to be said of it."""
    if spec.architecture is not None:
        return spec, None
    middle = min(max(prod(target.shape) // _SHARE, 1), _WIDEST)
    network = MLP(hidden=(_OUTER, middle, _OUTER))
    told = f"network: MLP(hidden={network.hidden}), too narrow in the middle for a copy; architecture sets another"
    return spec.model_copy(update={"architecture": network}), told


def reconstruction_scale(target: Target, activation: str, *, normalize: bool) -> Scale | None:
    """How the numbers are scaled for the network: to mean 0 and variance 1, or for a sigmoid to 0 and 1.

    Raises:
        InvalidJob: the last layer cannot give them.
    """
    assert target.moments is not None
    moments, whole = target.moments, len(target.shape) > 1
    if activation not in ("linear", "sigmoid"):
        raise InvalidJob(
            f"the last layer is a {activation}, which does not give all numbers: use linear, or sigmoid "
            "for numbers within the range of the training rows"
        )
    if not normalize:
        if activation == "sigmoid" and not 0 <= moments.low <= moments.high <= 1:
            raise InvalidJob(
                f"the last layer is a sigmoid, which gives 0 to 1, and normalize=False leaves numbers from "
                f"{moments.low:g} to {moments.high:g} as they are: leave normalize out, or use a linear output"
            )
        return None
    if activation == "linear":
        return Scale.of(target, moments.pooled()[0] if whole else moments.mean, target.spreads)
    low, high = (moments.low, moments.high) if whole else (moments.lows, moments.highs)
    width = np.subtract(high, low)
    return Scale.of(target, low, np.where(width > 0, width, 1.0))


def known_cells(target: tf.Tensor, output: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Truth and outputs, (rows, numbers), without an error where the truth is missing.

    Returns:
        Also by what the mean over each row is to be multiplied, to be that over the numbers that are there.
    """
    output = tf.reshape(output, tf.shape(target))
    known = tf.logical_not(tf.math.is_nan(target))
    count = tf.reduce_sum(tf.cast(known, output.dtype), axis=-1)
    share = tf.cast(tf.shape(target)[-1], output.dtype) / tf.maximum(count, 1)
    return tf.where(known, tf.cast(target, output.dtype), output), output, share


def of_known_cells(losses: RowLosses) -> RowLosses:
    """The loss of each row over the numbers that are there."""

    def call(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        target, output, share = known_cells(target, output)
        return losses(target, output) * share

    return call
