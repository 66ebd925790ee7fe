"""The yardstick of `bench.tables`: what one would write by hand with Keras for its table, and it is written well.

Columns come from Arrow without a detour, every value is prepared once by Keras' own layers, many rows at a time, and
the fit takes arrays.
"""

from pathlib import Path

import keras
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tensorflow as tf
from keras import ops

_DAY_US = 86_400_000_000
_ROWS = 65_536


def fit(table: Path, model: Path, seed: int, batch_rows: int) -> dict[str, float]:
    """Read the table, prepare it, fit one epoch, and save the model, which takes raw values; its metrics."""
    keras.utils.set_random_seed(seed)
    columns = pq.read_table(table)
    amount = columns["amount"].to_numpy()
    channel = columns["channel"].to_numpy()
    at = columns["at"].to_numpy().astype(np.int64)
    y = columns["returned"].to_numpy()
    front = _front(amount, pc.unique(columns["channel"]).to_pylist(), at)
    del columns

    def prepared(start: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        rows = slice(start, start + _ROWS)
        inputs = [amount[rows, None].astype(np.float32), channel[rows, None], at[rows, None]]
        outputs: np.ndarray[tuple[int, int], np.dtype[np.float32]] = front([tf.constant(x) for x in inputs]).numpy()
        return outputs

    x = np.concatenate([prepared(start) for start in range(0, len(y), _ROWS)])
    network = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    network.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    fitted = network.fit(x, y, batch_size=batch_rows, validation_split=0.1, verbose=0)
    keras.Model(front.inputs, network(front.output)).save(model)
    return {name: float(values[-1]) for name, values in fitted.history.items()}


def _front(
    amount: np.ndarray[tuple[int], np.dtype[np.float64]],
    channels: list[str],
    at: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> keras.Model:
    """From raw values to numbers: imputed and scaled, one-hot, elapsed and the cycles of the calendar."""
    number, category, time = (
        keras.Input((1,), name="amount"),
        keras.Input((1,), name="channel", dtype="string"),
        keras.Input((1,), name="at", dtype="int64"),
    )
    median = float(np.nanmedian(amount))
    filled = np.where(np.isnan(amount), median, amount)
    scaling = keras.layers.Normalization(axis=None, mean=filled.mean(), variance=filled.var())
    lookup = keras.layers.StringLookup(output_mode="one_hot")
    lookup.adapt(np.array(channels))
    missing = ops.isnan(number)
    first, last = int(at.min()), int(at.max())
    parts = [
        scaling(ops.where(missing, median, number)),
        ops.cast(missing, "float32"),
        lookup(category),
        ops.cast(time - first, "float32") / float(last - first) * 2 - 1,
    ]
    for period in (_DAY_US, 7 * _DAY_US, round(365.25 * _DAY_US)):
        angle = ops.cast(ops.mod(time, period), "float32") * (2 * np.pi / period)
        parts += [ops.sin(angle), ops.cos(angle)]
    return keras.Model([number, category, time], ops.concatenate(parts, -1))
