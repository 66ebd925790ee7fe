"""A model in two halves: what prepares rows, and the network behind it, through which gradients are taken.

Categories, texts, times and missing values have no gradient. So it is taken where a row has become numbers: at what the
first layers with weights take, and at what embeddings give. Pictures and arrays are numbers from the beginning.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import keras
import tensorflow as tf

from stoker.errors import InvalidJob

from ..networks.layers import all_layers
from .graph import Graph, Step


@dataclass(frozen=True)
class Terms:
    """Places of a tensor's last axis that hold a number for each term of a text.

    Attributes:
        layer: what has the terms.
        source: the place of the model's input.
        first: where they begin; one follows the other.
        count: how many they are.
    """

    layer: keras.layers.TextVectorization
    source: int
    first: int
    count: int


@dataclass(frozen=True)
class Prepared:
    """Rows as the network takes them.

    Attributes:
        points: the tensors along which the path of attributions goes, in the order of `Halves.cuts`.
        held: those that stay as they are along it, such as which words are padding.
        masks: which steps of each of the points count, by its place among them, where Keras carries such masks along.
    """

    points: tuple[Any, ...]
    held: tuple[Any, ...]
    masks: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Halves:
    """A model in two halves.

    Attributes:
        whole: the places of inputs that are numbers, at which the gradient is taken themselves.
        cuts: the places of the tensors at which the gradient is taken.
        held: those of other tensors that cross over, without a gradient.
        terms: of those of the cuts that hold weights of a text's terms.
        embedded: those of the cuts that embeddings give.
    """

    graph: Graph
    whole: tuple[int, ...]
    before: tuple[Step, ...]
    behind: tuple[Step, ...]
    cuts: tuple[int, ...]
    held: tuple[int, ...]
    terms: Mapping[int, tuple[Terms, ...]]
    embedded: frozenset[int]

    def prepare(self, tensors: Sequence[Any]) -> Prepared:
        """The first half.

        Args:
            tensors: one for each of the model's inputs.
        """
        taken = [tf.cast(each, spec.dtype) for each, spec in zip(tensors, self._inputs, strict=True)]
        points, held, masks = self._front(taken)
        return Prepared(tuple(points), tuple(held), masks)

    def outputs(self, prepared: Prepared) -> list[Any]:
        """The second half: the model's outputs.

        It is to be traced for any number of rows, as `specs` says: where Keras sees that there are as many rows as
        columns, it adds (rows, 1) to (rows, columns) as if it were one number for each column (`ops.add`).
        """
        values: dict[int, Any] = dict(zip(self.held, prepared.held, strict=True))
        for at, (place, point) in enumerate(zip(self.cuts, prepared.points, strict=True)):
            if at in prepared.masks:
                point._keras_mask = prepared.masks[at]  # noqa: SLF001  # as Keras hands them on
            values[place] = point
        for step in self.behind:
            step.run(values)
        return [values[place] for place in self.graph.outputs]

    def specs(self, prepared: Prepared) -> list[Any]:
        """What the second half is traced for: points, held tensors, and masks."""
        points = [_any_rows(self.graph.symbols[place], "float32") for place in self.cuts]
        held = [_any_rows(self.graph.symbols[place]) for place in self.held]
        return [points, held, {at: _any_rows(mask) for at, mask in prepared.masks.items()}]

    @cached_property
    def _inputs(self) -> list[Any]:
        symbols = ((place, self.graph.symbols[place]) for place in self.graph.inputs)
        return [_any_rows(symbol, "float32" if place in self.whole else None) for place, symbol in symbols]

    @cached_property
    def _front(self) -> Callable[[Sequence[Any]], Any]:
        def compute(tensors: Sequence[Any]) -> tuple[list[Any], list[Any], dict[int, Any]]:
            values = dict(zip(self.graph.inputs, tensors, strict=True))
            for step in self.before:
                step.run(values)
            points = [values[place] for place in self.cuts]
            masks = {at: getattr(point, "_keras_mask", None) for at, point in enumerate(points)}
            known = {at: mask for at, mask in masks.items() if mask is not None}
            return [tf.cast(point, tf.float32) for point in points], [values[place] for place in self.held], known

        traced = tf.function(compute, autograph=False, input_signature=[self._inputs])
        return cast(Callable[[Sequence[Any]], Any], traced)


def _any_rows(tensor: Any, dtype: str | None = None) -> Any:
    """What a tensor is, for any number of rows."""
    return tf.TensorSpec((None, *tensor.shape[1:]), dtype or tensor.dtype)


def halved(graph: Graph, whole: Collection[int]) -> Halves:
    """Cut a model where its network begins.

    Args:
        whole: the places of inputs that are numbers, none of which is missing.

    Raises:
        InvalidJob: a layer takes whole numbers, and is no embedding: it has no gradient.
    """
    raw = {place for place in graph.inputs if place not in whole}
    cut: dict[int, None] = dict.fromkeys(place for place in graph.inputs if place in whole)
    held: dict[int, None] = {}
    before: list[Step] = []
    behind: list[Step] = []
    embedded: set[int] = set()
    terms = _TermPlaces(graph)
    for step in graph.steps:
        only_raw = raw.issuperset(step.taken)
        if only_raw and isinstance(step.operation, keras.layers.Embedding):
            before.append(step)
            cut |= dict.fromkeys(step.given)
            embedded.update(step.given)
        elif only_raw and not step.has_weights:
            before.append(step)
            raw.update(step.given)
            terms.pass_on(step)
        else:
            behind.append(step)
            for place in raw.intersection(step.taken):
                dtype = graph.symbols[place].dtype
                (cut if dtype.startswith(("float", "bfloat")) else held)[place] = None
                if step.has_weights and dtype.startswith(("int", "uint", "string")):
                    raise InvalidJob(
                        f"its layer {step.operation.name!r} takes {dtype} values as they are, through which there is "
                        "no gradient"
                    )
    for place in raw.intersection(graph.outputs):
        cut[place] = None
    found = {place: terms.at[place] for place in cut if place in terms.at}
    return Halves(
        graph, tuple(whole), tuple(before), tuple(behind), tuple(cut), tuple(held), found, frozenset(embedded)
    )


class _TermPlaces:
    """Follows the numbers of a text's terms through what prepares rows.

    Attributes:
        at: the terms that a tensor holds, by its place.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._sources = {place: place for place in graph.inputs}
        self.at: dict[int, tuple[Terms, ...]] = {}

    def pass_on(self, step: Step) -> None:
        """Learn of a step that has no weights."""
        [first, *others], given = step.taken, step.given[0]
        layer = step.operation
        if isinstance(layer, keras.layers.TextVectorization):
            source = self._sources.get(first)
            count = self._graph.symbols[given].shape[-1]
            if source is not None and count and layer.get_config()["output_mode"] != "int":
                self.at[given] = (Terms(layer, source, 0, count),)
        elif type(layer).__name__ == "Concatenate":
            self._concatenate(step)
        elif type(layer).__name__ == "GetItem":
            self._cut(step)
        elif self._width(first) == self._width(given) and len(self._shape(given)) == 2:
            if first in self.at and not (set(others) & self.at.keys() - {first}):
                self.at[given] = self.at[first]
        elif first in self._sources and not others:
            self._sources[given] = self._sources[first]  # of another shape, but the same texts

    def _concatenate(self, step: Step) -> None:
        start, found = 0, []
        for place in step.taken:
            if len(self._shape(place)) != 2 or self._width(place) is None:
                return
            found += [_shifted(each, start) for each in self.at.get(place, ())]
            start += self._width(place) or 0
        if found and start == self._width(step.given[0]):
            self.at[step.given[0]] = tuple(found)

    def _cut(self, step: Step) -> None:
        """Columns of a tensor: `tensor[:, first:last]`."""
        [place], [given] = step.taken, step.given
        _, kwargs = step.arguments.args, step.arguments.kwargs
        keys = kwargs.get("key", step.arguments.args[1] if len(step.arguments.args) > 1 else None)
        if place not in self.at or not isinstance(keys, list | tuple) or len(keys) != 2:
            return
        columns = keys[1]
        if isinstance(columns, slice) and columns.step in (None, 1) and (columns.start or 0) >= 0:
            first, width = columns.start or 0, self._width(given) or 0
            kept = [_shifted(each, -first) for each in self.at[place]]
            self.at[given] = tuple(each for each in kept if each.first >= 0 and each.first + each.count <= width)

    def _shape(self, place: int) -> tuple[int | None, ...]:
        return tuple(self._graph.symbols[place].shape)

    def _width(self, place: int) -> int | None:
        return self._shape(place)[-1] if self._shape(place) else None


def _shifted(terms: Terms, by: int) -> Terms:
    return Terms(terms.layer, terms.source, terms.first + by, terms.count)


def refuse_without_gradient(model: object, ref: str, parent: str | None) -> None:
    """Refuse to take gradients through what is no Keras model.

    Raises:
        InvalidJob: it is none.
    """
    if isinstance(model, keras.Model):
        return
    parents = f", or explain {parent}, from which it was made" if parent else ""
    raise InvalidJob(
        f"{ref} is computed by an engine that gives no gradients, so single rows cannot be explained: "
        f"methods=['importance'] works for it{parents}"
    )


def in_full_precision(model: keras.Model) -> None:
    """Let all layers compute in float32, for sums of small gradients."""
    for layer in all_layers(model):
        if layer.dtype_policy.name.startswith("mixed_"):
            layer.dtype_policy = keras.DTypePolicy("float32")
