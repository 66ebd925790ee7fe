"""The same rows for several models, of which each reads them in its own way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.kinds import Data
from stoker.models.signature import Forecasting, Signature

from ..data import Source, Values
from ..data.source import Marked, rows_of
from ..data.windows import Windows
from ..opening import Reading, open_rows
from ..preprocessing.forecasting import cut_windows
from ..run import Run


@dataclass(frozen=True)
class Cut:
    """How windows are cut for a forecast, and what the model calls them."""

    forecast: Forecasting
    tensor: str

    @classmethod
    def of(cls, signature: Signature) -> "Cut | None":
        """How they are cut for a model; None for one that takes rows as they are."""
        return cls(signature.forecast, signature.inputs[0].name) if signature.forecast else None


class SharedRows:
    """The rows of data, read once for all models that read their columns alike.

    One takes a column for a number and another for a category, or pictures of other sizes, or longer windows: each gets
    its own rows, and these are the same ones. Of forecasts, they are the windows that all of them have.

    Raises:
        InvalidJob, Unavailable: see `opening.open_rows`; or forecasts have no window in common.
    """

    def __init__(self, data: str | Data, signatures: Sequence[Signature], run: Run) -> None:
        self._data = data
        groups: list[tuple[Reading, Cut | None]] = []
        self._places: list[int] = []
        for signature in signatures:
            reading, cut = Reading.of(signature), Cut.of(signature)
            place = next((at for at, each in enumerate(groups) if each[1] == cut and each[0].is_as(reading)), None)
            if place is None:
                place = len(groups)
                groups.append((reading, cut))
            groups[place] = groups[place][0].with_(reading), cut
            self._places.append(place)
        self._sources: list[Source] = []
        for reading, cut in groups:
            saying = run.silent if self._sources else run
            rows = open_rows(data, "test", saying, reading)
            self._sources.append(cut_windows(rows, cut.forecast, cut.tensor, saying) if cut else rows)
        windows = [source for source in self._sources if isinstance(source, Windows)]
        if len(windows) > 1:
            self._sources = [*_in_common(windows, data)]

    @property
    def rows(self) -> int | None:
        """How many there are; None if unknown until all are read."""
        return self._sources[0].rows

    def source(self, model: int) -> Source:
        """The rows as a model reads them, by its place among the signatures."""
        return self._sources[self._places[model]]

    def batches(self, rows: int) -> Iterator[list[Mapping[str, Values]]]:
        """The same `rows` rows at a time as each model reads them, in the order of the signatures.

        Raises:
            InvalidJob: the data is malformed, or some models find fewer rows in it than others.
        """
        for batches in zip(*(_endless(source, rows) for source in self._sources), strict=True):
            counts = {rows_of(batch) if batch else 0 for batch in batches}
            if len(counts) > 1:
                raise InvalidJob(
                    f"{self._data} has not as many rows for each of the models, which read it in different ways: "
                    "compare them apart"
                )
            if counts == {0}:
                return
            yield [batches[place] for place in self._places]


def _endless(source: Source, rows: int) -> Iterator[Mapping[str, Values]]:
    """The batches of a source, and then nothing again and again."""
    yield from source.batches(rows)
    while True:
        yield {}


def _in_common(sources: Sequence[Windows], data: str | Data) -> Iterator[Source]:
    """Those windows of each source behind which the others have one, too."""
    names: dict[str, int] = {}
    ends = [_ends(source, names) for source in sources]
    shared = ends[0]
    for other in ends[1:]:
        shared = np.intersect1d(shared, other)
    if not len(shared):
        raise InvalidJob(
            f"{data} has no window that all of these models can continue: give longer series, or compare models of "
            "windows as long"
        )
    for source, own in zip(sources, ends, strict=True):
        yield Marked(source, np.isin(own, shared))


def _ends(source: Windows, names: dict[str, int]) -> NDArray[np.complex128]:
    """For each window the number of its series, and the time of its last step, as one number that is compared."""
    parts = [names.setdefault(name, len(names)) + 1j * times for name, times in source.ends()]
    return np.concatenate(parts) if parts else np.empty(0, np.complex128)
