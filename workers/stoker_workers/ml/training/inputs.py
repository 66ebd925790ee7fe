"""What a network's inputs are made of, which its first layers say."""

import keras

from stoker.errors import InvalidJob
from stoker.models.data import listed

from ..networks.shapes import by_name
from ..preprocessing.layers import Preprocessing, build_preprocessing
from ..preprocessing.profile import Profile
from ..preprocessing.scaling import refuse_unscaled
from .raw import raw_layer, with_ids
from .wiring import NetworkInputs, wire


def network_inputs(
    network: keras.Model, profile: Profile, preprocessing: Preprocessing, *, normalize: bool
) -> NetworkInputs:
    """What a network's inputs are made of.

    Args:
        preprocessing: to one tensor of all columns, for networks that take whole rows.

    Raises:
        InvalidJob: an input does not fit the data.
    """
    if by_name(network):
        if profile.targets[0].task == "reconstruction":
            raise InvalidJob(
                f"the network has the inputs {listed([tensor.name for tensor in network.inputs])}, and "
                "task='reconstruction' gives one back: give it a single keras.Input, which takes whole rows of numbers"
            )
        return wire(network, profile, normalize=normalize)
    layer = raw_layer(network, network.inputs[0])
    if layer is None or len(profile.inputs) > 1:
        return NetworkInputs(profile, preprocessing, raw=layer is not None)
    told = f"inputs are not scaled: the network begins with {type(layer).__name__}, which takes them as they are"
    refuse_unscaled(profile.features, told)
    preprocessing = build_preprocessing(profile, normalize=False)
    if isinstance(layer, keras.layers.Embedding) and preprocessing.model is None:
        profile = with_ids(profile, layer, network.inputs[0].dtype)
    return NetworkInputs(profile, preprocessing, raw=True, notes=(told,))
