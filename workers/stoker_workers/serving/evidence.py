"""What one version answers, counted for the evidence of a route: which outputs are finite, and what they predict."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stoker.models.predictions import label_probabilities
from stoker.models.signature import Signature
from stoker.models.tensors import Array, Tensors, decode_tensors, joined, layouts_of

# The most classes that are counted each for itself; all further ones count as the last of them.
_MOST_CLASSES = 100
# Numbers are counted between the deciles of the champion's first predictions: at least so many.
_FOR_EDGES = 200
_BINS = 10
# Numbers of two versions agree if they differ by less, of the larger one.
_TOLERANCE = 0.01
_MOST_DIFFERENCE = 10.0

Numbers = NDArray[np.float64]
Edges = Mapping[str, Sequence[float]]


def exponent(count: int) -> int:
    """The exponent of the power of 2 that a count reaches: 0 for 0 and 1, 3 for 8 to 15."""
    return max(count, 1).bit_length() - 1


def are_finite(answers: Sequence[bytes]) -> list[bool]:
    """Whether all numbers of each answer are."""
    single = _joined(answers)
    if single is None:
        return [all(map(_is_finite, _arrays(decode_tensors(answer)))) for answer in answers]
    rows, array = single
    if _is_finite(array):
        return [True] * len(answers)
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    return [bool(part.all()) for part in np.split(finite, np.cumsum(rows)[:-1])]


def rows_of(answers: Sequence[bytes]) -> Tensors | None:
    """The rows of all answers of a batch, one after the other; None if they are of several shapes."""
    if not answers:
        return None
    single = _joined(answers)
    if single is not None:
        return single[1]
    parts = [decode_tensors(answer) for answer in answers]
    first = parts[0]
    if not isinstance(first, Mapping):
        return None
    return {name: np.concatenate([part[name] for part in parts if isinstance(part, Mapping)]) for name in first}


def places(signature: Signature, rows: Tensors, edges: Edges) -> Iterator[tuple[str, Counter[int]]]:
    """By output ("" if there is one), how many rows are of each class, or between which edges their numbers lie."""
    for output, part, array in _outputs(signature, rows):
        if part.task == "multilabel":
            held = label_probabilities(array, logits=part.logits) >= 0.5
            yield output, _count(np.nonzero(held)[1])
        elif part.classes and part.task != "pixels":
            yield output, _count(_classes(part, array))
        elif output in edges:
            yield output, _count(np.searchsorted(np.array(edges[output]), _numbers(array), side="right"))


def _count(found: NDArray[np.intp]) -> Counter[int]:
    return Counter(np.minimum(found, _MOST_CLASSES - 1).tolist())


class EdgesOf:
    """Finds the edges between which a version's numbers are counted, from the first of them."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._found: dict[str, list[Numbers]] = {}

    def learn(self, rows: Tensors) -> Edges:
        """Learn from rows; gives the edges as soon as there are enough, and nothing before."""
        for output, part, array in _outputs(self._signature, rows):
            if not part.classes:
                self._found.setdefault(output, []).append(_numbers(array))
        if sum(map(len, next(iter(self._found.values()), []))) < _FOR_EDGES:
            return {}
        shares = np.arange(1, _BINS) / _BINS
        return {
            output: np.unique(np.quantile(np.concatenate(parts), shares)).tolist()
            for output, parts in self._found.items()
        }


def disagreement(signature: Signature, ours: Tensors, theirs: Tensors) -> tuple[int, int, int]:
    """How many rows two versions have computed, how many they disagree on, and the sum of differences in millionths."""
    disagree: NDArray[np.bool_] | None = None
    difference = 0.0
    for (_, part, one), (_, _, other) in zip(_outputs(signature, ours), _outputs(signature, theirs), strict=True):
        if part.task == "multilabel":
            sides = [label_probabilities(array, logits=part.logits) >= 0.5 for array in (one, other)]
            differs = (sides[0] != sides[1]).any(axis=1)
        elif part.classes and part.task != "pixels":
            differs = _classes(part, one) != _classes(part, other)
        else:
            first, second = (array.reshape(len(array), -1).astype(np.float64) for array in (one, other))
            largest = np.maximum(np.maximum(np.abs(first), np.abs(second)), np.finfo(np.float32).tiny)
            relative = np.minimum(np.abs(first - second) / largest, _MOST_DIFFERENCE).mean(axis=1)
            difference += float(relative.sum())
            differs = relative > _TOLERANCE
        disagree = differs if disagree is None else disagree | differs
    if disagree is None:
        return 0, 0, 0
    return len(disagree), int(disagree.sum()), round(difference * 1e6)


def _outputs(signature: Signature, rows: Tensors) -> Iterator[tuple[str, Signature, Array]]:
    """The outputs with their parts of the signature; a single one under ""."""
    if not isinstance(rows, Mapping):
        yield "", signature, rows
        return
    for name, part in signature.parts.items():
        if name in rows:
            yield name, part, rows[name]


def _classes(signature: Signature, array: Array) -> NDArray[np.intp]:
    """The likeliest class of each row."""
    flat = array.reshape(len(array), -1)
    if flat.shape[1] > 1:
        likeliest: NDArray[np.intp] = flat.argmax(axis=1)
        return likeliest
    return (flat[:, 0] > (0.0 if signature.logits else 0.5)).astype(np.intp)


def _numbers(array: Array) -> Numbers:
    """One number for each row: the mean of all that is predicted for it."""
    numbers: Numbers = array.reshape(len(array), -1).astype(np.float64).mean(axis=1)
    return numbers


def _joined(answers: Sequence[bytes]) -> tuple[list[int], Array] | None:
    """How many rows each answer has, and all of them, if they are single arrays of one shape."""
    items = [
        (data, layout)
        for data, layout in zip(answers, layouts_of(answers), strict=True)
        if not isinstance(layout, Exception)
    ]
    rows = {layout.row for _, layout in items}
    if (
        len(items) < len(answers)
        or len(rows) != 1
        or any(layout.end != len(data) or not layout.shape for data, layout in items)
    ):
        return None
    return [layout.shape[0] for _, layout in items], joined(items)


def _arrays(tensors: Tensors) -> Sequence[Array]:
    return list(tensors.values()) if isinstance(tensors, Mapping) else [tensors]


def _is_finite(array: Array) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
