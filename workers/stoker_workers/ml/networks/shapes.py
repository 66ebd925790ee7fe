"""Whether a network that somebody else made takes the data, and gives what the targets ask for."""

from collections.abc import Sequence

import keras

from stoker.errors import InvalidJob

from ..preprocessing.target import Target


def unnamed(network: keras.Model, targets: Sequence[Target]) -> keras.Model:
    """A network under a name that no column has, for one of any structure and name.

    Its output is a tensor, or one for each target by its name.

    Raises:
        InvalidJob: it has other outputs.
    """
    if len(targets) == 1:
        if len(network.outputs) != 1:
            raise InvalidJob(
                f"the network has {len(network.outputs)} outputs, and the data one target, "
                f"{', '.join(map(repr, targets[0].columns))}: name the column of each output in outputs"
            )
        return keras.Model(network.inputs, network.outputs[0], name="network")
    by_name = _named_outputs(network)
    wanted = [target.name for target in targets]
    if sorted(by_name) != sorted(wanted):
        raise InvalidJob(
            f"the network has the outputs {', '.join(map(repr, by_name))}, and the targets are "
            f"{', '.join(map(repr, wanted))}: give its last layers, or the keys of its outputs, the columns' names"
        )
    return keras.Model(network.inputs, {name: by_name[name] for name in wanted}, name="network")


def _named_outputs(network: keras.Model) -> dict[str, keras.KerasTensor]:
    """The outputs by their keys, or by the names of their layers."""
    if isinstance(network, keras.Sequential):
        return {network.layers[-1].name: network.outputs[0]}
    if isinstance(network.output, dict):
        return dict(network.output)
    return dict(zip(network.output_names, network.outputs, strict=True))


def by_name(network: keras.Model) -> bool:
    """Whether a network reads columns by the names of its inputs, not whole rows: it has several, or takes text."""
    return len(network.inputs) > 1 or network.inputs[0].dtype == "string"


def takes(wanted: Sequence[int | None], shape: Sequence[int | None]) -> bool:
    """Whether an input of one shape, in which sizes may be open, takes rows of another."""
    return len(wanted) == len(shape) and all(want in (None, have) for want, have in zip(wanted, shape, strict=True))


def check_shapes(
    network: keras.Model, input_shape: tuple[int, ...], units: Sequence[int], targets: Sequence[Target]
) -> None:
    """Refuse a network that does not fit the data.

    Raises:
        InvalidJob: an output, or an input that takes whole rows, has another shape.
    """
    for tensor in network.inputs:
        if tensor.shape[0] is not None:
            raise InvalidJob(
                f"the network takes batches of exactly {tensor.shape[0]} rows; give its input a shape without a "
                "batch size: keras.Input(shape)"
            )
    taken = tuple(network.inputs[0].shape[1:])
    if not by_name(network) and not takes(taken, input_shape):
        raise InvalidJob(f"the network takes rows of shape {taken}, but the data has rows of shape {input_shape}")
    output = _named_outputs(network) if len(targets) > 1 else {targets[0].name: network.outputs[0]}
    for target, count in zip(targets, units, strict=True):
        given = tuple(output[target.name].shape[1:])
        if target.task == "reconstruction":
            _check_reconstruction(given, target)
            continue
        if target.task == "pixels" or len(given) == 3:
            _check_pixels(given, count, target)
            continue
        accepted = {count, 1, 2} if target.task == "binary" else {count}
        if len(given) != 1 or given[0] not in accepted:
            wanted = f"{count} number(s) per row"
            if target.classes:
                wanted = f"{len(target.classes)} {'labels' if target.task == 'multilabel' else 'classes'}"
            names = ", ".join(map(repr, target.columns))
            raise InvalidJob(f"the network's output has shape {given}, but the target {names} has {wanted}")


def _check_reconstruction(given: tuple[int | None, ...], target: Target) -> None:
    if not takes(given, target.shape):
        raise InvalidJob(
            f"the network's output has shape {given}, but what it is to reconstruct has {target.shape}: give its last "
            "layer that shape"
        )


def _check_pixels(given: tuple[int, ...], units: int, target: Target) -> None:
    if target.task != "pixels" or given != (*target.shape, units):
        places = (*target.shape, units) if target.task == "pixels" else (units,)
        raise InvalidJob(
            f"the network's output has shape {given}, but the target {target.columns[0]!r} wants {places}; a UNet "
            "is for masks, other networks are for labels and numbers"
        )
