"""The rows that a model is explained by: some drawn of all, and some by their numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.rows import encode
from stoker.models.signature import Signature
from stoker.models.tensors import Array

from ..data import Source
from ..data.source import Floats, Ints, rows_of
from ..progress import Meter, obey_stop
from ..run import Run

Tensors = Mapping[str, Array]
_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Drawn:
    """Rows drawn of all, in their order.

    Attributes:
        tensors: the model's inputs.
        truth: of each output by its name; empty where it is not known.
        of: how many rows there are.
    """

    tensors: dict[str, Array]
    truth: dict[str, Array]
    of: int

    @property
    def rows(self) -> int:
        """How many were drawn."""
        return rows_of(self.tensors)


@dataclass(frozen=True)
class _Part:
    """Some of the rows, each with a random number: those with the lowest are drawn."""

    tensors: Tensors
    truth: Tensors
    numbers: Floats


def drawn(batches: Iterable[tuple[Tensors, Tensors]], most: int, seed: int, total: int | None, run: Run) -> Drawn:
    """Draw rows in one pass, each with the same probability.

    Args:
        batches: inputs and truth, by name.
        total: how many rows there are, as far as that is known.

    Raises:
        InvalidJob: there are no rows.
        Stopped: a stop was asked for.
    """
    random = np.random.default_rng(seed)
    meter = Meter(run, "reading", total=total)
    parts: list[_Part] = []
    count = held = 0
    for inputs, truth in batches:
        obey_stop(run)
        parts.append(_Part(inputs, truth, random.random(rows_of(inputs))))
        count += rows_of(inputs)
        held += rows_of(inputs)
        # Not for each batch: what is kept may be many times as much.
        if held > 2 * most:
            parts, held = [_lowest(parts, most)], most
        meter.at(count)
    if not parts:
        raise InvalidJob("there are no rows to explain the model by; give data with at least one")
    kept = _lowest(parts, most)
    return Drawn(dict(kept.tensors), dict(kept.truth), of=count)


def encoded(source: Source, signature: Signature) -> Iterable[tuple[dict[str, Array], dict[str, Array]]]:
    """All rows as the model takes them, without a truth."""
    start = 0
    for columns in source.batches(_BATCH_ROWS):
        count = rows_of(columns)
        yield encode(signature.inputs, columns, range(start, start + count)), {}
        start += count


def numbered(source: Source, signature: Signature, wanted: Sequence[int], run: Run) -> dict[str, Array]:
    """The rows of these numbers, in this order; none behind the last of them is read.

    Raises:
        InvalidJob: there is no such row.
        Stopped: a stop was asked for.
    """
    found: dict[int, dict[str, Array]] = {}
    last, start = max(wanted), 0
    for inputs, _ in encoded(source, signature):
        obey_stop(run)
        count = rows_of(inputs)
        for number in set(wanted).intersection(range(start, start + count)):
            found[number] = _taken(inputs, np.array([number - start]))
        start += count
        if start > last:
            break
    if missing := [number for number in wanted if number not in found]:
        raise InvalidJob(f"rows names {missing[0]}, and there are {start:,} rows, numbered from 0")
    rows = [found[number] for number in wanted]
    return _joined(rows)


def first_rows(source: Source, signature: Signature, count: int, run: Run) -> dict[str, Array]:
    """The first rows, or all where there are fewer."""
    parts: list[dict[str, Array]] = []
    left = count
    for inputs, _ in encoded(source, signature):
        obey_stop(run)
        parts.append({name: values[:left] for name, values in inputs.items()})
        left -= rows_of(parts[-1])
        if left <= 0:
            break
    if not parts:
        raise InvalidJob("there are no rows to explain; give data with at least one")
    return _joined(parts)


def _lowest(parts: Sequence[_Part], most: int) -> _Part:
    """The rows with the lowest numbers, in their order."""
    tensors, truth = _joined([part.tensors for part in parts]), _joined([part.truth for part in parts])
    numbers = np.concatenate([part.numbers for part in parts])
    if len(numbers) <= most:
        return _Part(tensors, truth, numbers)
    chosen = np.sort(np.argpartition(numbers, most)[:most])
    return _Part(_taken(tensors, chosen), _taken(truth, chosen), numbers[chosen])


def _joined(parts: Sequence[Tensors]) -> dict[str, Array]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _taken(tensors: Tensors, rows: Ints) -> dict[str, Array]:
    return {name: values[rows] for name, values in tensors.items()}
