"""A model as one traced call whose inputs and outputs have the names of its signature."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from stoker.models.signature import Signature, TensorSpec

from ..prediction.runtime import Exported, TensorFlowEngine, distinct

SERVING = "serving_default"
"""What the function of a SavedModel, and of a LiteRT file, is called that is served."""


@dataclass(frozen=True)
class NamedGraph:
    """A traced call.

    Attributes:
        call: takes the inputs in order, and gives the outputs by name.
        holder: keeps its variables and tables, to be saved with it.
        signature: the model's, with the names of the call in `TensorSpec.tensor`.
    """

    call: Any
    holder: tf.Module
    signature: Signature

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs, in order."""
        return [spec.own_name for spec in self.signature.inputs]

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs, in the order in which a frozen call gives them: that of a dict in TensorFlow."""
        return sorted(spec.own_name for spec in self.signature.outputs)


def named_graph(model: keras.Model | Exported, signature: Signature) -> NamedGraph:
    """Trace a model as its signature says it."""
    engine = TensorFlowEngine(model, signature, max_batch=1)
    named = with_names(signature)
    names = [spec.own_name for spec in named.outputs]

    def call(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, engine.graph(*tensors), strict=True))

    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, own.own_name)
        for spec, own in zip(engine.specs, named.inputs, strict=True)
    ]
    holder = tf.Module()
    holder.model = model.loaded if isinstance(model, Exported) else model
    holder.call = tf.function(call, autograph=False)
    return NamedGraph(holder.call.get_concrete_function(*specs), holder, named)


def with_names(signature: Signature) -> Signature:
    """A signature whose tensors are called in a file as they are in the registry, as far as names in graphs allow."""
    outputs = signature.outputs
    if signature.parts and len(signature.parts) == len(outputs):
        # What they are called where the version is served.
        outputs = tuple(
            spec.model_copy(update={"name": name}) for name, spec in zip(signature.parts, outputs, strict=True)
        )
    inputs = _named(signature.inputs, ())
    outputs = _named(outputs, [spec.own_name for spec in inputs])
    return signature.model_copy(update={"inputs": inputs, "outputs": outputs})


def _named(specs: tuple[TensorSpec, ...], taken: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Tensors with names of their own; ONNX refuses an output that is called as an input is."""
    names = [f"predicted_{name}" if name in taken else name for name in map(_plain, specs)]
    return tuple(spec.model_copy(update={"tensor": name}) for spec, name in zip(specs, distinct(names), strict=True))


def _plain(spec: TensorSpec) -> str:
    """A name that Python could have for an argument: graphs take no other."""
    name = re.sub(r"\W", "_", spec.name, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"tensor_{name}"


def layer_at(texts: Iterable[str], model: keras.Model | Exported) -> str:
    """The layer that the first of some texts speaks of, by its name and class; "" for none.

    Converters name operations by paths, such as "model/string_lookup_1/LookupTableFindV2".
    """
    if not isinstance(model, keras.Model):
        return ""
    layers = {operation.name: operation for operation in operations(model)}
    for text in texts:
        for part in re.split(r"[/\"@\s]", text):
            # A name that comes again has a number behind it in a graph.
            for name in (part, re.sub(r"_\d+$", "", part)):
                if name in layers:
                    return f"{name!r} ({type(layers[name]).__name__})"
    return ""


def operations(model: keras.Model) -> Iterable[keras.Operation]:
    """All layers and operations of a model, those of nested models included."""
    for operation in getattr(model, "operations", model.layers):
        if isinstance(operation, keras.Model):
            yield from operations(operation)
        else:
            yield operation
