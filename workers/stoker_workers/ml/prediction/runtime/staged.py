"""A model of two stages: rows are prepared, and a network of LiteRT computes what was prepared."""

from collections.abc import Sequence
from typing import Self

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import Array, Outputs

from .engine import Reference, listed_outputs
from .litert import LiteRTFile
from .tensorflow import TensorFlowEngine


class StagedEngine:
    """What one engine prepares, the other takes, in the same order."""

    def __init__(self, front: Reference, network: LiteRTFile) -> None:
        self.name = f"{front.name}+{network.name}"
        self.threads = max(front.threads, network.threads)
        self._front = front
        self._network = network

    @classmethod
    def of(cls, front: keras.Model | bytes, network: bytes, signature: Signature, max_batch: int) -> Self:
        """That of a front and a network.

        Args:
            front: a Keras model, or the content of a LiteRT file.
            network: the content of a LiteRT file, which takes what the front gives, in the same order.
            signature: of both together.
        """
        prepared = _prepared(network)
        return cls(
            _front(front, signature, prepared, max_batch),
            LiteRTFile(network, 1, signature.model_copy(update={"inputs": prepared})),
        )

    @property
    def size_bytes(self) -> int:
        """See `Engine`."""
        return self._front.size_bytes + self._network.size_bytes

    def run(self, columns: Sequence[Array]) -> Outputs:
        """See `Engine`."""
        return self._network.run(listed_outputs(self._front.run(columns)))

    def no_rows(self) -> Outputs:
        """See `Reference`."""
        return self._network.no_rows()


def _front(front: keras.Model | bytes, signature: Signature, gives: Sequence[TensorSpec], max_batch: int) -> Reference:
    parts = {each.name: Signature(inputs=(), outputs=(each,), task="regression") for each in gives}
    update = {"outputs": tuple(gives), "parts": parts if len(parts) > 1 else {}, "task": "regression"}
    if isinstance(front, keras.Model):
        return TensorFlowEngine(front, signature.model_copy(update=update), max_batch)
    content = Interpreter(model_content=front, num_threads=1)
    names = {spec.name: detail["name"] for spec, detail in zip(gives, content.get_output_details(), strict=True)}
    given = [each.model_copy(update={"tensor": names[each.name]}) for each in gives]
    inputs = [
        spec.model_copy(update={"tensor": detail["name"]})
        for spec, detail in zip(signature.inputs, content.get_input_details(), strict=True)
    ]
    update |= {"inputs": tuple(inputs), "outputs": tuple(given)}
    return LiteRTFile(front, 1, signature.model_copy(update=update))


def prepared_name(at: int) -> str:
    """What a tensor is called that a front gives and a network takes."""
    return f"prepared_{at}"


def _prepared(network: bytes) -> tuple[TensorSpec, ...]:
    """What a network takes, in order."""
    details = Interpreter(model_content=network, num_threads=1).get_input_details()
    return tuple(
        TensorSpec(
            name=prepared_name(at),
            shape=tuple(None if size < 0 else int(size) for size in detail["shape_signature"][1:]),
            dtype=np.dtype(detail["dtype"]).name,
            tensor=detail["name"],
        )
        for at, detail in enumerate(details)
    )
