"""Which number of a model's outputs is explained: the probability of a class, or a predicted number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.models.data import choices
from stoker.models.signature import Signature

MOST_NUMBERS = 16
"""Numbers of an output that are explained where none is named: each takes a pass of its own."""
_UNEXPLAINED = {
    "pixels": "gives a class for each pixel",
    "reconstruction": "gives back the row that it takes",
}


@dataclass(frozen=True)
class Explained:
    """A number of a model's outputs.

    Attributes:
        name: what it is called in the explanations.
        place: that of the output among the model's.
        task: what the output's numbers are.
        labels: of classes or labels; a number has its own name.
        unit: the class, label or number; None for the class that is predicted, of labels the likeliest.
        logits: whether the output is raw scores.
    """

    name: str
    place: int
    task: Literal["classes", "labels", "numbers"]
    labels: tuple[str, ...]
    unit: int | None
    logits: bool

    def scores(self, output: Any) -> Any:
        """(rows, labels): the probabilities, as `Client.predict` says them, or the numbers."""
        scores = tf.cast(output, tf.float32)
        if self.task == "numbers":
            return tf.reshape(scores, (tf.shape(scores)[0], -1))
        if self.task == "labels":
            return tf.sigmoid(scores) if self.logits else scores
        if scores.shape[-1] == 1:
            second = tf.sigmoid(scores) if self.logits else scores
            return tf.concat([1 - second, second], axis=1)
        return tf.nn.softmax(scores) if self.logits else scores / tf.reduce_sum(scores, axis=1, keepdims=True)

    def of(self, output: Any, units: Any) -> Any:
        """(rows,): the number that is explained, where `units` has for each row which that is."""
        return tf.gather(self.scores(output), units, axis=1, batch_dims=1)

    def label(self, unit: int) -> str:
        """What a unit is called."""
        return self.labels[unit]


def explained_of(
    signature: Signature, wanted: str | None, ref: str, names: Sequence[str], logits: Mapping[str, bool]
) -> tuple[Explained, ...]:
    """What is explained of a model.

    Args:
        wanted: a class, a number's column, one of several outputs, or `output.class`; None explains the predicted class
            of each output, and each number up to `MOST_NUMBERS`.
        names: of the outputs, in the model's order.
        logits: of each output, whether it is raw scores.

    Raises:
        InvalidJob: there is no such output, or nothing of the model can be explained.
    """
    every: dict[str, Explained] = {}
    usual: list[Explained] = []
    unexplained: dict[str, str] = {}
    for name, part in signature.each.items():
        if part.task in _UNEXPLAINED:
            unexplained[name] = _UNEXPLAINED[part.task]
            continue
        named = dict(_of_output(name, part, names.index(name), logits[name], several=len(names) > 1))
        every |= named
        usual += _usual(named, part)
    if wanted in unexplained or not every:
        why = unexplained.get(wanted or "", next(iter(unexplained.values())))
        raise InvalidJob(
            f"{ref} {why}: there is no single number whose change could be shared among the columns; "
            "methods=['importance'] says how much each column matters"
        )
    if wanted is None:
        return tuple(usual)
    if wanted in signature.parts:
        return tuple(each for each in usual if each.place == names.index(wanted))
    if wanted not in every:
        raise InvalidJob(f"output names {wanted!r}, which {ref} does not give; it gives {choices(wanted, list(every))}")
    return (every[wanted],)


def _of_output(
    name: str, part: Signature, place: int, logits: bool, *, several: bool
) -> Iterator[tuple[str, Explained]]:
    """Everything of an output that can be named."""
    before = f"{name}." if several else ""
    if part.classes:
        task: Literal["classes", "labels"] = "labels" if part.task == "multilabel" else "classes"
        for unit, label in enumerate(part.classes):
            yield f"{before}{label}", Explained(name, place, task, part.classes, unit, logits)
        return
    units = prod(size or 1 for size in part.outputs[0].shape) if part.outputs else 1
    own = part.columns or ((part.target or "value",) if units == 1 else tuple(f"value_{unit}" for unit in range(units)))
    for unit, column in enumerate(own):
        shown = name if several and units == 1 else f"{before}{column}"
        yield shown, Explained(shown, place, "numbers", own, unit, logits=False)


def _usual(named: dict[str, Explained], part: Signature) -> list[Explained]:
    """What of an output is explained where nothing is named."""
    first, *_ = each = [*named.values()]
    if part.classes:
        return [Explained(first.name, first.place, first.task, first.labels, None, first.logits)]
    return each[:MOST_NUMBERS]
