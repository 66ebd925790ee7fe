"""Which of a Keras model's tensors are the inputs and outputs of its signature."""

from collections.abc import Sequence
from typing import Any

import keras

from stoker.models.signature import Signature, TensorSpec

from ..prediction.runtime.engine import distinct


def inputs_of(model: keras.Model, signature: Signature) -> tuple[TensorSpec, ...]:
    """The signature's inputs in the order of the model's tensors."""
    specs = {spec.own_name: spec for spec in signature.inputs}
    declared: Any = None if isinstance(model, keras.Sequential) else model.input
    if not isinstance(declared, dict) or len(specs) == 1:
        return signature.inputs
    names = {id(tensor): name for name, tensor in declared.items()}
    return tuple(specs[names[id(tensor)]] for tensor in model.inputs)


def output_names(model: keras.Model, signature: Signature) -> Sequence[str]:
    """The name of each of the model's outputs by the signature, in the model's order."""
    if not signature.parts:
        return list(signature.each)
    names = {spec.own_name: spec.name for spec in signature.outputs}
    declared = model.output
    own = sorted(declared) if isinstance(declared, dict) else distinct(model.output_names)
    return [names.get(name, name) for name in own]
