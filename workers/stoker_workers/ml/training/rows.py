"""Encoded rows for the training step, window by window, in an order that (seed, epoch) determines."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from math import inf, prod
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stoker.errors import InvalidJob

from ..data import Joined, Source, Values
from ..data.source import Mask, rebatched, rows_of
from ..preprocessing.profile import pass_rows

WINDOW_BYTES = 32 << 20
"""Streamed rows are shuffled within windows of this size; up to three are in memory at a time."""

_ALIGNMENT = 64  # bytes
# Encoded at a time, at most: a few columns may become many.
_ENCODED_ROWS = 131_072

Rows = dict[str, Values]
"""Equally many rows of network inputs, targets, weights and a teacher's answers, by `input_key`, `target_key`, `WEIGHT`
and `answer_key`."""

WEIGHT = "weight"

Encode = Callable[[dict[str, Values], NDArray[np.intp]], Rows]
"""From a batch of raw columns, and the number of each row in the data, to what a training step takes."""

Choose = Callable[[Mapping[str, Values], int], Mask]
"""A mask of the rows of a batch to take, whose first has this index in the data."""

Order = NDArray[np.int32]
"""Row indices in the order to visit them."""

Shuffle = tuple[int, int]
"""(seed, epoch): two passes with the same pair have the same order."""


def input_key(place: int) -> str:
    """The name of a network's input among rows."""
    return f"x{place}"


def target_key(place: int) -> str:
    """The name of an output's target among rows."""
    return f"y{place}"


def answer_key(place: int) -> str:
    """The name of a teacher's answers for an output among rows."""
    return f"a{place}"


@dataclass(frozen=True)
class Window:
    """Rows in memory.

    Attributes:
        rows: as `Rows`, each a tensor.
        order: the rows to visit; a multiple of the batch size except in the last window.
    """

    rows: dict[str, tf.Tensor]
    order: Order


class EncodedRows(Protocol):
    """Encoded rows that can be visited any number of times.

    Attributes:
        count: how many there are; infinite where only reading them tells.
    """

    @property
    def count(self) -> float: ...

    def windows(self, shuffle: Shuffle | None = None, skip: int = 0) -> Iterator[Window]:
        """All rows but the first `skip` of the order; in the order of the data if `shuffle` is None."""
        ...


class ResidentRows:
    """Rows that stay in the device's memory: one window, shuffled as a whole.

    Args:
        pieces: the rows, some at a time.
        count: how many there are, at most.
    """

    def __init__(self, pieces: Iterator[Rows], count: int) -> None:
        arrays: Rows = {}
        self.count = 0
        for piece in pieces:
            stop = self.count + rows_of(piece)
            for name, values in piece.items():
                if name not in arrays:
                    arrays[name] = _aligned((count, *values.shape[1:]), values.dtype)
                arrays[name][self.count : stop] = values
            self.count = stop
        self._rows = {name: _tensor_of(values[: self.count]) for name, values in arrays.items()}

    def windows(self, shuffle: Shuffle | None = None, skip: int = 0) -> Iterator[Window]:
        order = _order(self.count, shuffle, 0)[skip:]
        if len(order):
            yield Window(self._rows, order)


class StreamedRows:
    """Rows read on every pass, by a thread that is one window ahead.

    Args:
        batch_size: rows per gradient step; a window has a multiple of it.
    """

    note = (
        "the prepared rows are too large to be kept in memory: every epoch reads the data anew, and shuffles within "
        f"windows of {WINDOW_BYTES >> 20} MiB"
    )

    count = inf

    def __init__(self, source: Source, chosen: Choose, encode: Encode, batch_size: int) -> None:
        self._source = source
        self._encode = encode
        self._chosen = chosen
        self._batch_size = batch_size

    def windows(self, shuffle: Shuffle | None = None, skip: int = 0) -> Iterator[Window]:
        for number, window in enumerate(_read_ahead(self._read())):
            rows = rows_of(window)
            if skip < rows:
                yield Window(_tensors(window), _order(rows, shuffle, number)[skip:])
            skip = max(skip - rows, 0)

    def _read(self) -> Iterator[Rows]:
        pieces = encoded_pieces(self._source, self._chosen, self._encode)
        first = next(pieces)
        row_bytes = max(sum(values[:1].nbytes for name, values in first.items() if name.startswith("x")), 4)
        batches = max(WINDOW_BYTES // row_bytes // self._batch_size, 1)
        yield from rebatched(chain([first], pieces), batches * self._batch_size)


def encoded_pieces(source: Source, chosen: Choose, encode: Encode) -> Iterator[Rows]:
    """One pass over the chosen rows.

    Raises:
        InvalidJob: there are none, which can only be where other data validate.
    """
    is_empty = True
    for start, batch in _numbered(source, min(pass_rows(source), _ENCODED_ROWS)):
        mask = chosen(batch, start)
        if mask.any():
            rows = encode({name: values[mask] for name, values in batch.items()}, np.flatnonzero(mask) + start)
            if rows_of(rows):
                is_empty = False
                yield rows
    if is_empty:
        raise InvalidJob("no row of the data to validate on has a value to predict; give data with some that have")


def _numbered(source: Source, count: int) -> Iterator[tuple[int, dict[str, Values]]]:
    """Batches of about so many rows, each after the number of its first row; those of several sources in turn."""
    if isinstance(source, Joined):
        yield from source.mixed(count)
        return
    start = 0
    for batch in source.batches(count):
        yield start, batch
        start += rows_of(batch)


def _tensors(rows: Rows) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values) for name, values in rows.items()}


def _tensor_of(values: Values) -> tf.Tensor:
    """An aligned array as a tensor on the device. A CPU shares its memory, of which a constant would be a copy."""
    if values.dtype.hasobject:
        return tf.constant(values)
    return tf.identity(tf.experimental.dlpack.from_dlpack(values.__dlpack__()))


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Values:
    """An array that begins where TensorFlow wants its tensors to; of texts, which it copies anyway, any."""
    if dtype.hasobject:
        return np.empty(shape, dtype)
    size = prod(shape) * dtype.itemsize
    buffer = np.empty(size + _ALIGNMENT, dtype=np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size].view(dtype).reshape(shape)


def _order(rows: int, shuffle: Shuffle | None, window: int) -> Order:
    if shuffle is None:
        return np.arange(rows, dtype=np.int32)
    return np.random.default_rng([*shuffle, window]).permutation(rows).astype(np.int32)


def _read_ahead(items: Iterator[Rows]) -> Iterator[Rows]:
    """The same items; a thread makes the next one while one is used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as reader:
        pending = reader.submit(next, items, None)
        while (item := pending.result()) is not None:
            pending = reader.submit(next, items, None)
            yield item
