"""A saved model taken apart: what only prepares its rows, what is learned, and the way back to a target's units."""

from collections.abc import Iterator, Sequence

import keras

_PREPARING = (
    keras.layers.InputLayer,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.Discretization,
    keras.layers.CategoryEncoding,
    keras.layers.StringLookup,
    keras.layers.IntegerLookup,
    keras.layers.Hashing,
    keras.layers.HashedCrossing,
    keras.layers.TextVectorization,
    keras.layers.Concatenate,
    keras.layers.Flatten,
    keras.layers.Reshape,
)
"""Layers that give equal rows for equal rows throughout a training, and no mask."""


def prepared_tensors(outputs: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
    """Where learning begins in a model with these outputs: behind all that gives the same for a row in every epoch."""
    prepared = _Prepared()
    border: dict[int, keras.KerasTensor] = {}
    seen: set[int] = set()
    waiting = list(outputs)
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if prepared.holds(tensor):
            border[id(tensor)] = tensor
        else:
            waiting += reversed(_taken(tensor))
    return list(border.values())


def unscaled(tensor: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.layers.Rescaling | None]:
    """An output before the layer that takes it back to the target's units, and that layer; None if there is none."""
    operation = _operation(tensor)
    if not isinstance(operation, keras.layers.Rescaling):
        return tensor, None
    return _taken(tensor)[0], operation


class _Prepared:
    """Which tensors come of preparing layers and plain operations alone."""

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def holds(self, tensor: keras.KerasTensor) -> bool:
        """Whether one does. It does not recurse, for some networks are deeper than Python's stack."""
        waiting = [tensor]
        while waiting:
            top = waiting[-1]
            unknown = list(self._unknown(top))
            if unknown:
                waiting += unknown
                continue
            self._known[id(top)] = _prepares(_operation(top)) and all(self._known[id(each)] for each in _taken(top))
            waiting.pop()
        return self._known[id(tensor)]

    def _unknown(self, tensor: keras.KerasTensor) -> Iterator[keras.KerasTensor]:
        return (each for each in _taken(tensor) if id(each) not in self._known)


def _prepares(operation: keras.Operation) -> bool:
    return isinstance(operation, _PREPARING) or not isinstance(operation, keras.layers.Layer)


# The graph behind a symbolic tensor has no public name; Keras' own exporters read it this way too.
def _operation(tensor: keras.KerasTensor) -> keras.Operation:
    return tensor._keras_history[0]  # noqa: SLF001


def _taken(tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
    """The tensors of which one is computed."""
    operation, node, _ = tensor._keras_history  # noqa: SLF001
    return list(operation._inbound_nodes[node].input_tensors)  # noqa: SLF001
