"""A model taken apart for LiteRT: what prepares rows, and the network behind it."""

from dataclasses import dataclass

import keras

from stoker.errors import InvalidJob
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec

from ..networks.cutting import prepared_tensors


@dataclass(frozen=True)
class Stages:
    """The two stages of a model.

    Attributes:
        front: gives the tensors that the network takes; None if it takes the rows as they are.
        network: from those to the answers.
        signature: the network's: its inputs are the prepared tensors.
    """

    front: keras.Model | None
    front_signature: Signature
    network: keras.Model
    signature: Signature


def unstaged(model: keras.Model, version: ModelVersion) -> Stages:
    """A model as one stage, from raw rows to answers."""
    return Stages(None, version.signature, model, version.signature)


def staged(model: keras.Model, version: ModelVersion) -> Stages:
    """The stages of a model.

    Raises:
        InvalidJob: it is all preparation.
    """
    signature = version.signature
    prepared = prepared_tensors(model.outputs)
    outputs = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    if all(any(tensor is own for own in model.inputs) for tensor in prepared):
        return Stages(None, signature, model, signature)
    if any(tensor is output for tensor in prepared for output in model.outputs):
        raise InvalidJob(f"{version.ref} has no layer that has learned anything: there is nothing to make smaller")
    taken = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    inputs = tuple(
        TensorSpec(name=f"prepared_{at}", shape=tuple(tensor.shape[1:]), dtype=str(tensor.dtype))
        for at, tensor in enumerate(prepared)
    )
    front_outputs = {spec.name: tensor for spec, tensor in zip(inputs, prepared, strict=True)}
    several = len(inputs) > 1
    parts = {spec.name: Signature(inputs=(), outputs=(spec,), task="regression") for spec in inputs}
    return Stages(
        front=keras.Model(taken, front_outputs if several else prepared[0]),
        front_signature=signature.model_copy(
            update={"outputs": inputs, "parts": parts if several else {}, "task": "regression"}
        ),
        network=keras.Model(front_outputs if several else prepared[0], outputs),
        signature=signature.model_copy(update={"inputs": inputs}),
    )
