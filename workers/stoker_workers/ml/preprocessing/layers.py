"""Preprocessing as a Keras model: from a model's inputs to those of the network, saved with it.

Only Keras' own layers and operations are used, and constants in place of state, so that a saved model loads everywhere
in safe mode and has no weights but those that it learns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, cast

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from stoker.errors import InvalidJob
from stoker.models.data import listed
from stoker.models.picture_rows import takes_pictures
from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array

from ..columns.stats import ColumnStats
from ..data.source import rows_of
from .calendar import calendar
from .categories import categories
from .numbers import rescaling, scaled, standardised
from .parts import Codes, Needs, Part, Steps
from .profile import Profile
from .sequences import Sequential, side_by_side
from .tags import tags
from .texts import term_weights, word_ids

CALL_ROWS = 65_536
"""Rows preprocessed per call, which bounds the memory of texts and one-hot rows; more take a compiled graph."""
Tensors: TypeAlias = "tf.Tensor | list[tf.Tensor] | dict[str, tf.Tensor]"
Outputs: TypeAlias = "tf.Tensor | list[tf.Tensor]"
_NUMBERS = Needs()
_MOST_IDS = 1_000_000
"""Ids that a list of tokens may have: each has a row in an embedding."""


@dataclass(frozen=True)
class Preprocessing:
    """From inputs to the network's tensor, or to each of its tensors.

    Attributes:
        model: None if the only input is the network's tensor already; gives a list where it gives several.
        parts: what the only tensor's last places hold, for networks that take more than plain numbers.
        cuts: what is left out of texts, each in a sentence.
    """

    model: keras.Model | None
    parts: tuple[Part, ...] = ()
    cuts: tuple[str, ...] = ()

    @property
    def has_operations(self) -> bool:
        """Whether there are operations besides layers, which the .h5 format cannot hold."""
        operations = self.model.operations if self.model else []
        return any(not isinstance(each, keras.layers.Layer) for each in operations)

    @property
    def notes(self) -> list[str]:
        """What was made of several columns, and what is left out of texts, each in a sentence."""
        notes = list(self.cuts)
        for part in self.parts:
            if isinstance(part, Steps) and len(part.columns) > 1:
                notes.append(f"one sequence of {part.steps} steps: {listed(part.columns)}, side by side")
            if isinstance(part, Codes) and part.longest > part.length:
                notes.append(
                    f"texts of {part.column!r} have up to {part.longest:,} words, of which the first {part.length} are "
                    "read; set length of Text for more"
                )
        return notes

    def row_shapes(self, inputs: tuple[TensorSpec, ...]) -> list[tuple[int, ...]]:
        """The shape of one row of each of the network's tensors."""
        shapes = [tensor.shape[1:] for tensor in self.model.outputs] if self.model else [inputs[0].shape]
        return [tuple(size or 1 for size in shape) for shape in shapes]

    def __call__(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The network's tensors for encoded inputs."""
        if self.model is None:
            return list(inputs.values())
        rows = rows_of(inputs)
        if rows <= CALL_ROWS:
            return _arrays(self.model(self._taken(inputs, 0), training=False))
        outputs: list[Array] = []
        for start in range(0, rows, CALL_ROWS):
            pieces = _arrays(self._compiled(self._taken(inputs, start)))
            if not outputs:
                outputs = [np.empty((rows, *piece.shape[1:]), piece.dtype) for piece in pieces]
            for output, piece in zip(outputs, pieces, strict=True):
                output[start : start + CALL_ROWS] = piece
        return outputs

    def _taken(self, inputs: Mapping[str, Array], start: int) -> Tensors:
        """Some rows as the model takes them."""
        assert self.model is not None
        tensors = {name: tf.constant(values[start : start + CALL_ROWS]) for name, values in inputs.items()}
        if isinstance(self.model.input, dict):
            return tensors
        # Models that were made elsewhere may take a list, in whose order they were described.
        return list(tensors.values()) if len(self.model.inputs) > 1 else next(iter(tensors.values()))

    @cached_property
    def _compiled(self) -> Callable[[Tensors], Outputs]:
        """Computes in half the time, once it is traced: that takes as long as some 100,000 rows do.

        One graph serves every call, since the number of rows is open: its results do not depend on earlier calls, which
        a run that goes on from a checkpoint has not made.
        """
        model = self.model
        assert model is not None
        taken = keras.tree.map_structure(lambda each: tf.TensorSpec(each.shape, each.dtype), model.input)
        compute = tf.function(lambda tensors: model(tensors, training=False), input_signature=[taken], autograph=False)
        return cast(Callable[[Tensors], Outputs], compute)


def build_preprocessing(
    profile: Profile, *, normalize: bool, needs: Needs = _NUMBERS, name: str = "inputs"
) -> Preprocessing:
    """The preprocessing of a profile's inputs.

    Numbers are imputed by their median, with an indicator of gaps where training had some, and scaled to mean 0 and
    variance 1. Categories become one-hot, with a first place for unseen ones. Times become elapsed time and the cycles
    of the calendar; texts, the weights of their terms.

    Args:
        normalize: whether to scale numbers.
        needs: what the network takes besides plain numbers.
        name: that of an only input.
    """
    sole = len(profile.inputs) == 1
    if sole and takes_pictures(profile.inputs[0]):
        return Preprocessing(None)  # the network scales them itself, and bytes take less memory than numbers
    if sole and not normalize and profile.inputs[0].kind is None and not profile.inputs[0].gaps:
        return Preprocessing(None)
    inputs = {
        spec.name: keras.Input(spec.shape, name=name if sole else spec.name, dtype=spec.dtype)
        for spec in profile.inputs
    }
    parts: list[keras.KerasTensor] = []
    others: list[tuple[Part, keras.KerasTensor]] = []
    sequences: list[Sequential] = []
    cuts: list[str] = []
    for spec in profile.inputs:
        tensor, features = inputs[spec.name], [profile.features[name] for name in spec.columns or (spec.name,)]
        stats = [feature.stats for feature in features]
        match spec.kind:
            case "number" | "boolean":
                parts += scaled(tensor, features, normalize=normalize)
            case "category":
                one_hot, coded = categories(tensor, stats, embed_above=needs.embed_above)
                parts += one_hot
                others += coded
            case "time":
                parts += calendar(tensor, stats)
            case "text" if needs.words:
                others.append(word_ids(tensor, stats[0], needs.words))
            case "text":
                weights, cut = term_weights(tensor, stats[0])
                parts.append(weights)
                cuts += [cut] if cut else []
            case "tags":
                parts.append(tags(tensor, stats[0]))
            case "tokens":
                codes = _ids(spec, stats[0])
                known = ops.where(tensor < codes.count, tensor, 0)  # what training has not seen is none
                others.append((codes, ops.cast(known, "float32")))
            case "image" if takes_pictures(spec):
                parts.append(rescaling(stats[0], normalize=normalize)(tensor))
            case "sequence" if needs.steps:
                sequences.append((tensor, spec, stats[0]))
            case _:
                parts.append(standardised(tensor, spec, stats[0], normalize=normalize))
                if spec.kind == "sequence" and stats[0].column.dtype == "list":
                    parts.append(ops.cast(ops.isnan(tensor), "float32"))  # what is padding
    others += side_by_side(sequences, normalize=normalize)
    tensors = [_flat(part) for part in parts] if len(parts) + len(others) > 1 else parts
    tensors += [tensor for _, tensor in others]
    output = ops.concatenate(tensors, axis=-1) if len(tensors) > 1 else tensors[0]
    declared = inputs[profile.inputs[0].name] if sole else inputs
    return Preprocessing(keras.Model(declared, output), tuple(part for part, _ in others), tuple(cuts))


def _arrays(outputs: Outputs) -> list[Array]:
    return [np.asarray(tensor) for tensor in (outputs if isinstance(outputs, list) else [outputs])]


def _flat(part: keras.KerasTensor) -> keras.KerasTensor:
    return part if len(part.shape) == 2 else keras.layers.Flatten()(part)


def _ids(spec: TensorSpec, stats: ColumnStats) -> Codes:
    """The codes of a list of ids, which are whole numbers from 0 on.

    Raises:
        InvalidJob: there are others.
    """
    if stats.moments.low < 0 or not stats.whole:
        raise InvalidJob(
            f"column {stats.column.name!r} holds numbers from {stats.moments.low:g} on; as tokens, ids are whole "
            "numbers from 0 on: shift them, or choose another kind"
        )
    if stats.moments.high >= _MOST_IDS:
        raise InvalidJob(
            f"column {stats.column.name!r} holds ids up to {stats.moments.high:g}, and an embedding of so many would "
            f"fill the memory; number them anew, from 0 to at most {_MOST_IDS - 1:,}"
        )
    return Codes(int(stats.moments.high) + 1, int(spec.shape[0] or 1), is_list=True, column=stats.column.name)
