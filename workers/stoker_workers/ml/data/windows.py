"""Windows of series as a source: a row for each, with what comes behind it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stoker.models.signature import Forecasting
from stoker.models.windows import Stretch

from .source import Column, Values, rebatched

_PIECE_ROWS = 16_384


class Windows:
    """Every window of stretches that has a whole horizon behind it, or each stretch's last one without any.

    Its columns are the window, under `tensor`, the target's next values, the time of the window's last step, and the
    series.

    Args:
        tensor: what the model calls its input.
        last: whether each stretch is one window.
    """

    in_memory = True
    notes: tuple[str, ...] = ()

    def __init__(self, stretches: Sequence[Stretch], forecast: Forecasting, tensor: str, *, last: bool = False) -> None:
        self._stretches = stretches
        self._forecast = forecast
        self._tensor = tensor
        self._behind = 0 if last else forecast.horizon
        shape = (forecast.window, len(forecast.channels))
        columns = [Column(tensor, "float64", shape)]
        if self._behind:
            columns.append(Column(forecast.channels[0], "float64", (self._behind,)))
        columns.append(Column(forecast.time, "time" if forecast.times else "float64"))
        if forecast.series:
            columns.append(Column(forecast.series, "string"))
        self.columns = tuple(columns)
        self.rows = sum(map(self._count, stretches))

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        return rebatched(self._pieces(), rows)

    def horizons(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The times of each window's first and last step behind it."""
        window, behind = self._forecast.window, self._behind
        firsts = [each.times[window : len(each.times) - behind + 1] for each in self._stretches if self._count(each)]
        lasts = [each.times[window + behind - 1 :] for each in self._stretches if self._count(each)]
        return (np.concatenate(firsts), np.concatenate(lasts)) if firsts else (np.empty(0), np.empty(0))

    def ends(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """The times of each window's last step, by series."""
        window = self._forecast.window
        for stretch in self._stretches:
            yield stretch.series, stretch.times[window - 1 : window - 1 + self._count(stretch)]

    def _count(self, stretch: Stretch) -> int:
        return max(len(stretch.times) - self._forecast.window - self._behind + 1, 0)

    def _pieces(self) -> Iterator[dict[str, Values]]:
        forecast = self._forecast
        for stretch in self._stretches:
            count, values = self._count(stretch), stretch.carried
            for start in range(0, count, _PIECE_ROWS):
                stop = min(start + _PIECE_ROWS, count)
                seen = values[start : stop + forecast.window - 1]
                piece: dict[str, Values] = {
                    self._tensor: sliding_window_view(seen, forecast.window, axis=0).transpose(0, 2, 1)
                }
                if self._behind:
                    target = stretch.values[start + forecast.window : stop + forecast.window + self._behind - 1, 0]
                    piece[forecast.channels[0]] = sliding_window_view(target, self._behind)
                ends = stretch.times[start + forecast.window - 1 : stop + forecast.window - 1]
                piece[forecast.time] = ends.astype("datetime64[us]") if forecast.times else ends
                if forecast.series:
                    piece[forecast.series] = np.full(stop - start, stretch.series, dtype=object)
                yield piece
