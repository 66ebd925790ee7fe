"""The rows that a model is explained by: some drawn of all, and some by their numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.rows import encode
from stoker.models.signature import Signature
from stoker.models.tensors import Array

from ..data import Source
from ..data.source import Ints, rows_of
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
    kept: tuple[dict[str, Array], dict[str, Array]] | None = None
    places = np.empty(0)
    count = 0
    for inputs, truth in batches:
        obey_stop(run)
        count += rows_of(inputs)
        places = np.concatenate([places, random.random(rows_of(inputs))])
        kept = (_joined(kept[0], inputs), _joined(kept[1], truth)) if kept else (dict(inputs), dict(truth))
        if len(places) > most:
            chosen = np.sort(np.argpartition(places, most)[:most])
            places = places[chosen]
            kept = _taken(kept[0], chosen), _taken(kept[1], chosen)
        meter.at(count)
    if kept is None:
        raise InvalidJob("there are no rows to explain the model by; give data with at least one")
    return Drawn(*kept, of=count)


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
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


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
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _joined(first: Tensors, second: Tensors) -> dict[str, Array]:
    return {name: np.concatenate([values, second[name]]) for name, values in first.items()}


def _taken(tensors: Tensors, rows: Ints) -> dict[str, Array]:
    return {name: values[rows] for name, values in tensors.items()}
