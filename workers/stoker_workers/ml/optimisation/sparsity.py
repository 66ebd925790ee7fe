"""`sparse`: the smallest weights become zero and stay so while the others are trained on.

By magnitude, of each kernel the same share (Han et al. 2015, arXiv:1506.02626; Zhu and Gupta 2017, arXiv:1710.01878).
Nothing that computes here skips zeros: the model is as quick as it was, and its file as large until it is compressed.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob

from ..networks.layers import all_layers
from .forms import Given, Made
from .retraining import Retraining, made, retrained

SHARE = 0.8
_EPOCHS = 15
_BLOCK_BYTES = 1 << 20
# What has fewer axes is a bias, or a scale.
_LEAST_AXES = 2


class Mask(keras.constraints.Constraint):  # type: ignore[misc]  # Keras is untyped
    """Keeps weights at zero: Keras' optimizers apply it after each step.

    It is set on a variable for one training, and no part of the layer's config: the saved model has none.

    Args:
        stays: of the weights; False where one is zero.
        also: a constraint that the weights have already.
    """

    def __init__(self, stays: NDArray[np.bool_], also: keras.constraints.Constraint | None = None) -> None:
        self._stays = tf.constant(stays)
        self._also = also

    def __call__(self, weights: tf.Tensor) -> tf.Tensor:
        if self._also is not None:
            weights = self._also(weights)
        weights = tf.convert_to_tensor(weights)
        return tf.where(self._stays, weights, tf.zeros_like(weights))


@dataclass(frozen=True)
class Sparse:
    """How many of a model's weights are zero.

    Attributes:
        zeros, weights: of the kernels that have masks.
    """

    zeros: int
    weights: int


def make(given: Given) -> Made:
    """See `Make`."""
    share = given.spec.share or SHARE
    done: list[Sparse] = []

    def thinned(model: keras.Model) -> keras.Model:
        done[:] = [masked(model, share, given.version.ref)]
        return model

    fit = retrained(given, Retraining(epochs=_EPOCHS, change=thinned))
    [sparse] = done
    words = (
        f"{sparse.zeros:,} of {sparse.weights:,} weights are zero; trained on for {fit.fitted.epochs} epochs. Nothing "
        "that computes here skips zeros: it is as quick as before, and smaller only where files are compressed"
    )
    form = made(given, fit, words, {"zeros": float(sparse.zeros), "weights": float(sparse.weights)})
    # The version's own file has the state of its optimizer, too.
    before = given.run.scratch / "before.keras"
    given.model.save(before)
    sizes = {
        "compressed_bytes_before": float(compressed_bytes(before)),
        "compressed_bytes": float(compressed_bytes(form.files["keras"])),
    }
    before.unlink()
    return form.model_copy(update={"figures": {**form.figures, **sizes}})


def masked(model: keras.Model, share: float, ref: str) -> Sparse:
    """Set the smallest weights of each kernel to zero, where optimizers keep them.

    Args:
        share: of a kernel's weights.
        ref: the model's name in messages.

    Raises:
        InvalidJob: it has no kernels, or none that is large enough for a zero.
    """
    zeros = count = largest = 0
    for kernel in kernels(model):
        values = kernel.numpy()
        gone = round(values.size * share)
        stays = np.ones(values.size, dtype=bool)
        stays[np.argsort(np.abs(values), axis=None, kind="stable")[:gone]] = False
        stays = stays.reshape(values.shape)
        kernel.assign(np.where(stays, values, 0))
        kernel.constraint = Mask(stays, kernel.constraint)
        zeros, count, largest = zeros + gone, count + values.size, max(largest, values.size)
    if not count:
        raise InvalidJob(
            f"{ref} has no kernels whose weights could be zero: only embeddings, biases and the like; "
            'to="float16" halves the bytes of any model'
        )
    if not zeros:
        raise InvalidJob(
            f"share={share:g} is less than one of the {largest:,} weights of the largest kernel of {ref}, so that "
            f"none would be zero: give more than {1 / (2 * largest):.2g}"
        )
    return Sparse(zeros, count)


def kernels(model: keras.Model) -> Iterator[keras.Variable]:
    """The weights by which layers multiply: no biases, scales or embeddings."""
    seen: set[int] = set()
    for layer in all_layers(model):
        for variable in layer.trainable_variables:
            is_kernel = "kernel" in variable.name and len(variable.shape) >= _LEAST_AXES
            if is_kernel and id(variable) not in seen:
                seen.add(id(variable))
                yield variable


def compressed_bytes(path: Path) -> int:
    """The size of a file compressed as gzip does, at its usual level."""
    compressor, size = zlib.compressobj(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            size += len(compressor.compress(block))
    return size + len(compressor.flush())
