"""Networks of keras.applications, on weights from a file."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from keras import ops

from stoker.errors import InvalidJob
from stoker.kinds import Pretrained
from stoker.models.signature import TensorSpec
from stoker.outages import Dependency, DependencyUnavailable, needing

from ..data.copied import local_file
from ..prediction.loading import first_line, load_foreign, load_weights
from ..run import Run
from .cnn import image_shape
from .layers import all_layers, applied, dense_layers, dropout

_CAFFE_MEANS = (123.68, 116.779, 103.939)  # red, green, blue
_TORCH_MEANS, _TORCH_SPREADS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pretrained(spec: Pretrained, row: keras.KerasTensor, levels: TensorSpec | None) -> keras.KerasTensor:
    """The last hidden layer's output, of a row of grey levels.

    Args:
        levels: the input, whose range tells whether they go to 255 or to 1; None for 255.

    Raises:
        InvalidJob: rows are no images, or of a size that the network does not take.
    """
    shape = tuple(row.shape[1:])
    height, width, channels = image_shape(shape, spec.name)
    if channels not in (1, 3):
        raise InvalidJob(f"{spec.name} takes images of 3 channels, or grey ones of 1; the data has {channels}")
    # The first layer, by which a network says that it takes levels as they are.
    tensor = keras.layers.Rescaling(_to_255(spec, levels))(row)
    if shape != (height, width, channels):
        tensor = keras.layers.Reshape((height, width, channels))(tensor)
    if channels == 1:
        tensor = ops.concatenate([tensor] * 3, axis=-1)
    base = _base(spec, (height, width, 3))
    if spec.weights is not None:
        # Few and other pictures would spoil its statistics. (Calling the base with training=False is not enough: a
        # model around it that is called with training=True overrides that.)
        for layer in all_layers(base):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    return applied([*dropout(spec), *dense_layers(spec.dense, spec)], base(_scaled(spec, tensor)))


def base_of(network: keras.Model) -> keras.Model:
    """The network of keras.applications in a network that `pretrained` has built."""
    return next(model for model in _models(network) if model.name == _BASE)


def take_weights(spec: Pretrained, network: keras.Model, run: Run) -> str:
    """Give the network its weights; a sentence for the job's events.

    Raises:
        InvalidJob: the file may not be read, or has the weights of something else.
        Unavailable: its file system cannot be reached.
    """
    if spec.weights is None:
        return f"{spec.name} starts from random weights; weights names a file with trained ones"
    base = base_of(network)
    path = _fetched(spec.weights, run)
    if path.suffix == ".h5":
        try:
            load_weights(base, path, spec.weights)
        except (ValueError, OSError, KeyError, TypeError, UserWarning) as error:
            raise _unfit(spec, first_line(error)) from error
    else:
        _copy_weights(spec, load_foreign(path, spec.weights), base)
    _finish_scaling(base)
    return f"{spec.name} starts from the weights of {spec.weights}"


def _fetched(weights: str, run: Run) -> Path:
    """A copy of the file of the weights that nobody else can change.

    Raises:
        InvalidJob: it may not be read, or is missing.
        DependencyUnavailable: its host cannot be reached; says what to do where it never can.
    """
    hint = "where workers have no way there, load it down elsewhere, and give its path or URL where they read data"
    try:
        path = local_file(weights, run.access, run.scratch)
    except DependencyUnavailable as error:
        told = error.outage.model_copy(update={"reason": f"the weights {error.outage.reason}; {hint}"})
        raise DependencyUnavailable(told) from error
    except InvalidJob as error:
        if "://" not in weights:
            raise
        raise InvalidJob(f"the weights {error.message}; {hint}") from error
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(run.scratch)):
        return path
    # By its name Keras knows which of two formats it is.
    own = run.scratch / "weights" / path.name
    with needing(Dependency.DISK, f"the folder {run.scratch}"):
        own.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, own)
    return own


def _finish_scaling(base: keras.Model) -> None:
    """Let layers that scale pictures use what was loaded.

    ImageNet's file for EfficientNetB0 to B7 has standard deviations where squares of them belong; Keras divides once
    more by their roots, but only in the network for which it loads the file down itself.
    """
    for layer in base.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            if np.allclose(layer.adapt_variance, _TORCH_SPREADS, rtol=1e-3):
                layer.adapt_variance.assign(np.square(layer.adapt_variance))
            layer.finalize_state()


_BASE = "base"


def _base(spec: Pretrained, shape: tuple[int, int, int]) -> keras.Model:
    build = getattr(keras.applications, spec.name)
    try:
        # Weights are never downloaded from a hub.
        return build(include_top=False, weights=None, input_shape=shape, pooling="avg", name=_BASE)
    except ValueError as error:
        raise InvalidJob(
            f"{spec.name} cannot be built for images of {shape[0]} × {shape[1]}: {first_line(error)}; set image_size"
        ) from error


def _to_255(spec: Pretrained, levels: TensorSpec | None) -> float:
    """What makes the input's levels go to 255."""
    low, high = (0.0, 255.0) if levels is None or levels.high is None else (levels.low or 0.0, levels.high)
    if low < 0 or high > 255:
        raise InvalidJob(
            f"{spec.name} takes levels from 0 to 255, or from 0 to 1; the data has numbers from {low:g} to {high:g}: "
            "give the pictures as they were"
        )
    return 255.0 if high <= 1 else 1.0


def _scaled(spec: Pretrained, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Levels from 0 to 255 as the network was trained with them."""
    match spec.input_scale:
        case "itself":
            return tensor
        case "centred":
            return keras.layers.Rescaling(1 / 127.5, -1.0)(tensor)
        case "imagenet":
            scale = [1 / (255 * spread) for spread in _TORCH_SPREADS]
            offset = [-mean / spread for mean, spread in zip(_TORCH_MEANS, _TORCH_SPREADS, strict=True)]
            return keras.layers.Rescaling(scale, offset)(tensor)
        case "blue_first":
            return ops.flip(keras.layers.Rescaling(1.0, [-mean for mean in _CAFFE_MEANS])(tensor), axis=-1)


def _copy_weights(spec: Pretrained, saved: keras.Model, base: keras.Model) -> None:
    """Take the weights of a saved model, or of a model in it, that begins as the base does."""
    wanted = [tuple(weight.shape) for weight in base.weights]
    for model in _models(saved):
        if [tuple(weight.shape) for weight in model.weights[: len(wanted)]] == wanted:
            base.set_weights([weight.numpy() for weight in model.weights[: len(wanted)]])
            return
    raise _unfit(spec, "no part of the model has weights of the same shapes")


def _models(model: keras.Model) -> Iterator[keras.Model]:
    """A model and those in it, the innermost first."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _models(layer)
    yield model


def _unfit(spec: Pretrained, why: str) -> InvalidJob:
    return InvalidJob(
        f"the weights {spec.weights} do not fit {spec.name}: {why}; give what "
        f'keras.applications.{spec.name}(include_top=False).save_weights("….weights.h5") writes, the file without its '
        "top that Keras loads down (…no_top.h5 or …notop.h5), or a .keras file"
    )
