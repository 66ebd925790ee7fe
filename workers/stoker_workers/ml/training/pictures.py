"""Networks of pictures: the default one, scaling as their first layer, and changes at random while training."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras

from stoker.errors import InvalidJob
from stoker.kinds import CNN, MLP, Augment, Builder, KerasConfig, Train, UNet
from stoker.models.picture_rows import takes_pictures
from stoker.models.signature import TensorSpec

from ..columns.stats import ColumnStats
from ..preprocessing.numbers import rescaling
from ..preprocessing.profile import Profile
from .reconstruction import with_autoencoder

_FILTERS = (32, 64, 64, 64)
# Pooling ends where a picture's smaller side has so few places left.
_LEAST_SIDE = 4
_DEGREES = 360


@dataclass(frozen=True)
class Stages:
    """A network with what comes before it.

    Attributes:
        trained: with random changes.
        served: without; it shares all weights.
    """

    trained: keras.Model
    served: keras.Model


def with_default(spec: Train, profile: Profile) -> tuple[Train, str | None]:
    """The spec with a network for pictures, if it names none; and what is to be said of the network."""
    if profile.targets[0].task == "reconstruction":
        return with_autoencoder(spec, profile.targets[0])
    if profile.targets[0].task == "pixels":
        return _with_unet(spec, profile)
    pictures = [name for name, feature in profile.features.items() if feature.kind == "image"]
    if not pictures:
        return spec, None
    if isinstance(spec.architecture, KerasConfig | Builder):
        return spec, None  # its author knows, and its inputs may take each column by its name
    if len(profile.inputs) > 1:
        return spec, f"the pixels of {', '.join(pictures)} go to the network in one row with the other columns"
    if isinstance(spec.architecture, MLP):
        return spec, "an MLP does not know which pixels are neighbours; leave architecture out for a CNN"
    side = min(size or 1 for size in profile.inputs[0].shape[:2])
    poolings = next(count for count in range(len(_FILTERS), -1, -1) if side >> count >= _LEAST_SIDE or not count)
    if spec.architecture is not None:
        return spec, None
    if not poolings:
        return spec, "network: MLP(), for the pictures are too small for a CNN; architecture sets another"
    network = CNN(filters=_FILTERS[:poolings])
    told = f"network: CNN(filters={network.filters}), for the data are pictures; architecture sets another"
    return spec.model_copy(update={"architecture": network}), told


def _with_unet(spec: Train, profile: Profile) -> tuple[Train, str | None]:
    if spec.augment:
        raise InvalidJob("augment changes pictures, and not their masks with them; leave it out for task='pixels'")
    if spec.architecture is not None:
        return spec, None
    side = min(profile.targets[0].shape)
    levels = [filters for depth, filters in enumerate(UNet().filters) if side >> depth >= _LEAST_SIDE or not depth]
    network = UNet(filters=tuple(levels))
    told = f"network: UNet(filters={network.filters}), for each pixel has a class; architecture sets another"
    return spec.model_copy(update={"architecture": network}), told


def staged(network: keras.Model, profile: Profile, augment: Augment | None, seed: int, *, normalize: bool) -> Stages:
    """A network of pictures behind what scales them, or any other network as it is.

    Raises:
        InvalidJob: there is something to augment, but no picture.
    """
    spec, stats = profile.inputs[0], _sole_picture(profile)
    if augment and stats is None:
        raise _nothing_to_augment()
    if stats is None or not (augment or takes_pictures(spec)):
        return Stages(network, network)
    scaling = rescaling(stats, normalize=normalize)
    pixels = keras.Input(spec.shape, name="inputs", dtype=spec.dtype)
    served = keras.Model(pixels, network(scaling(pixels)), name="network")
    if augment is None:
        return Stages(served, served)
    changed = _augmented(pixels, spec, stats, augment, seed)
    return Stages(keras.Model(pixels, network(scaling(changed)), name="network"), served)


def augmented(network: keras.Model, profile: Profile, augment: Augment, seed: int) -> keras.Model:
    """A network that takes pictures as they are, behind random changes of them; it shares all weights.

    Raises:
        InvalidJob: there is something to augment, but no picture.
    """
    spec = profile.inputs[0]
    stats = _sole_picture(profile)
    if stats is None:
        raise _nothing_to_augment()
    pixels = keras.Input(spec.shape, name="inputs", dtype=spec.dtype)
    changed = _augmented(pixels, spec, stats, augment, seed)
    if takes_pictures(spec):
        changed = keras.ops.cast(keras.ops.round(changed), spec.dtype)
    return keras.Model(pixels, network(changed), name="network")


def _sole_picture(profile: Profile) -> ColumnStats | None:
    """The only column, if that holds pictures."""
    spec = profile.inputs[0]
    feature = profile.features[(spec.columns or (spec.name,))[0]]
    return feature.stats if len(profile.inputs) == 1 and feature.kind == "image" else None


def _nothing_to_augment() -> InvalidJob:
    return InvalidJob(
        "augment is for data with a picture as its only feature; leave it out, or name that column in features"
    )


def _augmented(
    pixels: keras.KerasTensor, spec: TensorSpec, stats: ColumnStats, augment: Augment, seed: int
) -> keras.KerasTensor:
    tensor = keras.layers.Rescaling(1.0)(pixels)
    if len(spec.shape) == 2:
        tensor = keras.layers.Reshape((*spec.shape, 1))(tensor)
    low, high = (0.0, 255.0) if takes_pictures(spec) else (stats.moments.low, stats.moments.high)
    for layer in _layers(augment, (low, high), seed):
        tensor = layer(tensor)
    return keras.layers.Reshape(spec.shape)(tensor) if len(spec.shape) == 2 else tensor


def _layers(augment: Augment, levels: tuple[float, float], seed: int) -> Iterator[keras.layers.Layer]:
    """The changes, each with random numbers of its own, whose state is a variable of the network."""
    layers = keras.layers
    if augment.flip:
        mode = "horizontal_and_vertical" if augment.flip == "both" else augment.flip
        yield layers.RandomFlip(mode, seed=seed)
    if augment.rotate:
        yield layers.RandomRotation(augment.rotate / _DEGREES, seed=seed + 1)
    if augment.zoom:
        yield layers.RandomZoom(augment.zoom, seed=seed + 2)
    if augment.shift:
        yield layers.RandomTranslation(augment.shift, augment.shift, seed=seed + 3)
    if augment.contrast:
        yield layers.RandomContrast(augment.contrast, value_range=levels, seed=seed + 4)
    if augment.brightness:
        yield layers.RandomBrightness(augment.brightness, value_range=levels, seed=seed + 5)
