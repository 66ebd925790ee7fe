"""The inputs and outputs of a model, as its file names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from stoker.errors import InvalidJob
from stoker.kinds.problems import short

from ..prediction.runtime import ONNX_DTYPES, Quantised, distinct, onnx_session

DTYPES = frozenset(ONNX_DTYPES.values())
"""The types of tensors that rows can have."""

_SHOWN = 10


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        shape: with the axis of rows; None for an axis of any size. None where not even the number of axes is known.
        dtype: numpy's name, or "string".
        quantised: how its whole numbers stand for real ones, if they do.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    quantised: Quantised | None = None


@dataclass(frozen=True)
class Ports:
    """All of a model's, in its own order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def keras_ports(model: keras.Model, what: str) -> Ports:
    """Those of a Keras model.

    Raises:
        InvalidJob: it has never been called, so that it does not know what it takes, or nests its inputs or outputs.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise InvalidJob(
            f"{what} does not know what it takes, for it was never built: give it a keras.Input, save again"
        )
    # A loaded Sequential has no `input`, but takes one.
    taken = inputs[0] if isinstance(model, keras.Sequential) else model.input
    given = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    return Ports(_keras(taken, None, what), _keras(given, getattr(model, "output_names", None), what))


def _keras(structure: Any, names: list[str] | None, what: str) -> tuple[Port, ...]:
    if isinstance(structure, dict):
        named = {name: structure[name] for name in sorted(structure)}
    else:
        tensors = list(structure) if isinstance(structure, list | tuple) else [structure]
        if any(isinstance(tensor, list | tuple | dict) for tensor in tensors):
            raise InvalidJob(f"{what} nests its inputs or outputs; give them as a list or a dict")
        named = dict(zip(distinct(list(names or [tensor.name for tensor in tensors])), tensors, strict=True))
    return tuple(
        Port(name, tuple(tensor.shape), "string" if tensor.dtype == "string" else str(tensor.dtype))
        for name, tensor in named.items()
    )


def exported_ports(graph: Any, entry: str | None, what: str) -> tuple[Ports, str]:
    """Those of a SavedModel's function, and the function's name.

    Args:
        graph: its MetaGraphDef.
        entry: None takes the usual one, or the only one.

    Raises:
        InvalidJob: there is no such function.
    """
    known = [name for name in graph.signature_def if not name.startswith("__")]
    usual = "serving_default" if "serving_default" in known else known[0] if len(known) == 1 else None
    chosen: str | None = entry or usual
    if chosen is None or chosen not in known:
        raise InvalidJob(
            f"{what} has the functions {', '.join(map(short, known[:_SHOWN])) or 'none'}; "
            + ("name one of them as entry" if known else "export it with a signature: model.export(folder)")
        )
    signature = graph.signature_def[chosen]
    return Ports(_exported(signature.inputs), _exported(signature.outputs)), chosen


def _exported(tensors: Any) -> tuple[Port, ...]:
    ports = []
    for name in sorted(tensors):
        info = tensors[name]
        shape = None
        if not info.tensor_shape.unknown_rank:
            shape = tuple(None if each.size < 0 else int(each.size) for each in info.tensor_shape.dim)
        ports.append(Port(name, shape, tf.as_dtype(info.dtype).name))
    return tuple(ports)


def litert_ports(content: bytes) -> Ports:
    """Those of a LiteRT file."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    return Ports(_litert(interpreter.get_input_details()), _litert(interpreter.get_output_details()))


def _litert(details: Sequence[Any]) -> tuple[Port, ...]:
    ports = []
    for name, detail in zip(distinct([detail["name"] for detail in details]), details, strict=True):
        # Older files have no signature of shapes: there every size is what it says.
        sizes = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
        shape = tuple(None if size < 0 else int(size) for size in sizes)
        dtype = np.dtype(detail["dtype"])
        ports.append(Port(name, shape, "string" if dtype.kind in "SOU" else dtype.name, Quantised.of(detail)))
    return tuple(ports)


def onnx_ports(content: bytes) -> Ports:
    """Those of an ONNX file."""
    session = onnx_session(content, 1)
    return Ports(_onnx(session.get_inputs()), _onnx(session.get_outputs()))


def _onnx(tensors: Sequence[Any]) -> tuple[Port, ...]:
    return tuple(
        Port(
            tensor.name,
            tuple(size if isinstance(size, int) and size >= 0 else None for size in tensor.shape),
            ONNX_DTYPES.get(tensor.type, tensor.type),
        )
        for tensor in tensors
    )
