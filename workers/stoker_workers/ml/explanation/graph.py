"""A Keras model as a flat list of steps, nested models unfolded, so that it can be computed in two halves."""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

Values = MutableMapping[int, Any]
"""Tensors by the number of the place where they stand."""


@dataclass(frozen=True)
class Step:
    """One call of a layer or an operation.

    Attributes:
        taken: the places of what it takes, in the order of the call's symbolic tensors.
        given: the places of what it gives.
    """

    operation: Any
    arguments: Any
    taken: tuple[int, ...]
    given: tuple[int, ...]

    def run(self, values: Values) -> None:
        """Compute it; takes and gives tensors by place."""
        tensors = zip(self.arguments.keras_tensors, self.taken, strict=True)
        args, kwargs = self.arguments.fill_in({id(symbol): values[place] for symbol, place in tensors})
        values.update(zip(self.given, keras.tree.flatten(self.operation(*args, **kwargs)), strict=True))

    @property
    def has_weights(self) -> bool:
        """Whether it has learned something."""
        return bool(getattr(self.operation, "weights", ()))


@dataclass(frozen=True)
class Graph:
    """A model.

    Attributes:
        inputs, outputs: their places, in the model's order.
        symbols: the symbolic tensor of each place, for its shape and dtype.
    """

    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    symbols: Mapping[int, keras.KerasTensor]


def graph_of(model: keras.Model) -> Graph:
    """Unfold a model. One that is a class of its own, or has such a part, has it as a single step."""
    symbols = dict(enumerate(model.inputs))
    steps: list[Step] = []
    inputs = tuple(symbols)
    outputs = _unfold(model, inputs, steps, symbols)
    return Graph(tuple(steps), inputs, outputs, symbols)


def _unfold(
    model: keras.Model, given: Sequence[int], steps: list[Step], symbols: dict[int, keras.KerasTensor]
) -> tuple[int, ...]:
    """Add a model's steps; gives the places of its outputs.

    Args:
        given: the places of its inputs.
    """
    places = dict(zip(map(id, model.inputs), given, strict=True))
    for node in _nodes(model):
        if node.is_input or any(id(tensor) not in places for tensor in node.input_tensors):
            continue
        taken = tuple(places[id(tensor)] for tensor in node.input_tensors)
        if is_unfolded(node.operation) and len(taken) == len(node.operation.inputs):
            results = _unfold(node.operation, taken, steps, symbols)
        else:
            results = tuple(range(len(symbols), len(symbols) + len(node.outputs)))
            symbols.update(zip(results, node.outputs, strict=True))
            steps.append(Step(node.operation, node.arguments, taken, results))
        places.update(zip(map(id, node.outputs), results, strict=True))
    return tuple(places[id(tensor)] for tensor in model.outputs)


def is_unfolded(operation: Any) -> bool:
    """Whether it is a model made of layers, with no code of its own."""
    return isinstance(operation, keras.Sequential) or type(operation).__name__ == "Functional"


def _nodes(model: keras.Model) -> Iterator[Any]:
    """The calls in a model, each behind those whose outputs it takes."""
    # Keras has no public name for them; its own exporters read it this way too.
    whole: Any = model._functional if isinstance(model, keras.Sequential) else model  # noqa: SLF001
    by_depth = whole._nodes_by_depth  # noqa: SLF001
    for depth in sorted(by_depth, reverse=True):
        yield from by_depth[depth]
