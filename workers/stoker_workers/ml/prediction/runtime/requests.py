"""Many requests as few batches: those alike are computed together, and one that is wrong fails alone."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.inputs import Inputs
from stoker.models.tensors import (
    Array,
    Layout,
    Tensors,
    decode_tensors,
    encode_slices,
    encode_tensors,
    joined,
    layouts_of,
)

Item = TypeVar("Item")
Part = TypeVar("Part")

Compute = Callable[[Sequence[Array]], Array]
"""The model: from one unchecked array per input to outputs, row for row; raises InvalidJob."""


def answer_requests(requests: Sequence[Tensors], inputs: Inputs, compute: Compute) -> list[Array | InvalidJob]:
    """The model's output for each request, or what is wrong with it."""
    answers: dict[int, Array | InvalidJob] = {}
    alike: defaultdict[object, dict[int, list[Array]]] = defaultdict(dict)  # what can be stacked, by its place
    for at, request in enumerate(requests):
        try:
            columns = inputs.ordered(request)
        except InvalidJob as error:
            answers[at] = error
        else:
            # A dtype's letter is the same for texts of any length.
            alike[tuple([(array.dtype.char, array.shape[1:]) for array in columns])][at] = columns
    for group in alike.values():
        items = list(group.values())
        rows = [len(columns[0]) for columns in items]
        parts = _settled(items, rows, lambda items: compute(_stacked(items)), _split)
        answers.update(zip(group, parts, strict=True))
    return [answers[at] for at in range(len(requests))]


def answer_encoded(requests: Sequence[bytes], inputs: Inputs, compute: Compute) -> list[bytes | InvalidJob]:
    """The same from bytes to bytes, as `encode_tensors` writes them: the quickest way for many small requests."""
    answers: dict[int, bytes | InvalidJob] = {}
    decoded: dict[int, Tensors] = {}
    alike: defaultdict[str, dict[int, tuple[bytes, Layout]]] = defaultdict(dict)
    single = len(inputs.specs) == 1
    for at, (data, layout) in enumerate(zip(requests, layouts_of(requests), strict=True)):
        if isinstance(layout, InvalidJob):
            answers[at] = layout
        elif single and layout.shape and layout.end == len(data):
            alike[layout.row][at] = (data, layout)
        else:
            try:
                decoded[at] = decode_tensors(data)
            except InvalidJob as error:
                answers[at] = error
    for group in alike.values():
        items = list(group.values())
        rows = [layout.shape[0] for _, layout in items]
        parts = _settled(items, rows, lambda items: compute([joined(items)]), encode_slices)
        answers.update(zip(group, parts, strict=True))
    outputs = answer_requests(list(decoded.values()), inputs, compute)
    for at, output in zip(decoded, outputs, strict=True):
        answers[at] = output if isinstance(output, InvalidJob) else encode_tensors(output)
    return [answers[at] for at in range(len(requests))]


def _settled(
    items: Sequence[Item],
    rows: Sequence[int],
    compute: Callable[[Sequence[Item]], Array],
    split: Callable[[Array, Sequence[int]], list[Part]],
) -> list[Part | InvalidJob]:
    """Each item's part of the outputs, or what is wrong with it.

    Args:
        rows: how many each of the items has.
        split: cuts outputs into parts of so many rows.
    """
    parts: list[Part | InvalidJob] = []
    for count, outcome in _outcomes(items, compute):
        if isinstance(outcome, InvalidJob):
            parts.append(outcome)
        else:
            parts += split(outcome, rows[len(parts) : len(parts) + count])
    return parts


def _outcomes(
    items: Sequence[Item], compute: Callable[[Sequence[Item]], Array]
) -> Iterator[tuple[int, Array | InvalidJob]]:
    """Outputs of all items together; where that fails, of either half, down to the ones to blame.

    Yields:
        for how many of the next items, and their outputs, row for row, or what is wrong with the one.
    """
    try:
        outcome: Array | InvalidJob = compute(items)
    except InvalidJob as error:
        if len(items) > 1:
            half = len(items) // 2
            yield from _outcomes(items[:half], compute)
            yield from _outcomes(items[half:], compute)
            return
        outcome = error
    yield len(items), outcome


def _stacked(items: Sequence[Sequence[Array]]) -> Sequence[Array]:
    if len(items) == 1:
        return items[0]
    return [np.concatenate(arrays) for arrays in zip(*items, strict=True)]


def _split(output: Array, rows: Sequence[int]) -> list[Array]:
    return [output[stop - count : stop] for stop, count in zip(accumulate(rows), rows, strict=True)]
