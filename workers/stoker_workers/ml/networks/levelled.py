"""Forecasts at any level: one network for series of very different size."""

import keras
import numpy as np
from keras import ops

from ..columns.stats import Moments
from ..preprocessing.figures import standard_deviation
from .layers import applied, flat_layers

# In standard deviations of the training data; a window of equal values has none of its own.
_LEAST_SPREAD = 1e-6


def levelled(network: keras.Model, input_shape: tuple[int, ...], seen: Moments, wanted: Moments) -> keras.Model:
    """A network that sees a window relative to its own mean and spread, to which its outputs are taken back.

    So what it learns of one series holds for another that is a hundred times as large (Kim et al. 2022, RevIN, without
    its weights).

    Args:
        network: from (window, channels) to the next values of the first channel.
        seen, wanted: by which the windows, and the values to predict, are scaled.
    """
    row = keras.Input(input_shape)
    # Equal values are exactly 0 from the first one; from their mean they are its rounding error, no small part of the
    # least spread.
    rise = row - row[:, :1]
    mean_rise = ops.mean(rise, axis=1, keepdims=True)
    mean = row[:, :1] + mean_rise
    spread = ops.sqrt(ops.mean(ops.square(rise - mean_rise), axis=1, keepdims=True)) + _LEAST_SPREAD
    tensor = applied(flat_layers(network), (rise - mean_rise) / spread)
    # Windows and targets are not scaled alike: the difference is small, but not beside the values of a small series.
    deviations = standard_deviation(wanted.mean, wanted.variance)
    ratio = standard_deviation(seen.mean, seen.variance)[0] / deviations
    offset = (seen.mean[0] - wanted.mean) / deviations
    # In this order: where there are as many rows as columns, Keras would add a level for each column, not each row.
    level = mean[:, 0, :1] + tensor * spread[:, 0, :1]
    scaled = level * ratio.astype(np.float32) + offset.astype(np.float32)
    return keras.Model(row, scaled, name="network")
