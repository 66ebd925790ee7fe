"""Networks that users give: as a config, or by a function of theirs."""

import json
from collections.abc import Sequence

import keras

from stoker.errors import InvalidJob
from stoker.kinds import Builder, KerasConfig

from ..own import own_function
from .keras_config import load_config


def configured(spec: KerasConfig, input_shape: tuple[int, ...], custom: Sequence[str] = ()) -> keras.Model:
    """The network of a config; a Sequential without an input is built for the data.

    Raises:
        InvalidJob: Keras cannot build it.
    """
    network = load_config(spec.config, custom)
    if isinstance(network, keras.Sequential) and not network.built:
        network = keras.Sequential([keras.Input(input_shape), *network.layers], name=network.name)
    return network


def call_builder(
    spec: Builder,
    input_shape: tuple[int, ...],
    units: int | dict[str, int],
    builders: Sequence[str],
    custom: Sequence[str] = (),
) -> keras.Model:
    """The network that a user's function returns.

    Args:
        units: of the output; of several outputs by name.

    Raises:
        InvalidJob: the settings do not allow the function, or it returns something else.
    """
    function = own_function(spec.target, builders, "builder", "builders")
    network = function(input_shape=input_shape, output_units=units, **spec.kwargs)
    if not isinstance(network, keras.Model) or not network.inputs:
        raise InvalidJob(
            f"the builder {spec.target!r} returned a {type(network).__name__}; expected a functional or Sequential "
            "Keras model with a known input shape"
        )
    # Registered models are loaded in safe mode: if that is impossible, fail before the training, not after it.
    load_config(json.loads(network.to_json()), custom)
    return network
