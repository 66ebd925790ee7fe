"""Forecasts beside what needs no model: the last value, or that of a season ago, carried on."""

from dataclasses import dataclass

import numpy as np

from stoker.kinds.evaluate import ForecastAccuracy, StepErrors
from stoker.models.signature import Forecasting
from stoker.models.tensors import Array

from ..columns.stats import Sample
from ..data.source import Floats

_DRAWN = 100
_EXAMPLES = {"The middle one": 0.5, "The tenth worst": 0.9, "The worst": 1.0}
"""What stands where among windows ranked by their error."""


@dataclass(frozen=True)
class Continued:
    """A window, and what comes behind it.

    Attributes:
        place: where it stands among `of` windows that were drawn at random, ranked by their error.
        mae: the mean absolute error of its steps.
        past: the target's values in the window.
        truth, predicted: of each step of the horizon.
    """

    place: str
    of: int
    mae: float
    past: tuple[float, ...]
    truth: tuple[float, ...]
    predicted: tuple[float, ...]


class ForecastErrors:
    """Adds up the errors of each step of the horizon."""

    def __init__(self, forecast: Forecasting) -> None:
        self._season = forecast.season
        ahead = np.arange(forecast.horizon)
        # Of a window, from its end: the last value, and the one that is a whole number of seasons before each step.
        self._places = {"last": np.full(forecast.horizon, -1)}
        if self._season:
            self._places["season"] = ahead % self._season - self._season
        self._rows = 0
        self._drawn = Sample(_DRAWN)
        self._sums = {name: np.zeros((2, forecast.horizon)) for name in ("model", *self._places)}

    def add(self, windows: Array, truth: Array, outputs: Array) -> None:
        """Take in a batch.

        Args:
            windows: (rows, window, channels), of which the first channel is the target's past.
            truth, outputs: (rows, horizon).
        """
        past = windows[:, :, 0].astype(np.float64)
        guesses = {"model": outputs} | {name: past[:, places] for name, places in self._places.items()}
        for name, guess in guesses.items():
            # The few windows that begin with a gap tell nothing of what is carried on.
            error = np.nan_to_num(guess.reshape(truth.shape).astype(np.float64) - truth)
            self._sums[name] += [np.abs(error).sum(axis=0), (error**2).sum(axis=0)]
        self._rows += len(truth)
        self._drawn.update(np.hstack([past, truth, outputs.reshape(truth.shape)]).astype(np.float64))

    def accuracy(self) -> ForecastAccuracy:
        """The errors of all rows taken in."""

        def errors(sums: Floats) -> StepErrors:
            mae, mse = sums / self._rows
            return StepErrors(mae=tuple(mae.tolist()), rmse=tuple(np.sqrt(mse).tolist()))

        told = {name: errors(sums) for name, sums in self._sums.items()}
        return ForecastAccuracy(
            model=told["model"], last=told["last"], season=told.get("season"), season_steps=self._season
        )

    def examples(self) -> tuple[Continued, ...]:
        """Windows of which the model continues one as well as most, one badly, and one as badly as any."""
        rows, horizon = self._drawn.rows, len(self._places["last"])
        past, truth, predicted = np.split(rows, [-2 * horizon, -horizon], axis=1)
        mae = np.abs(truth - predicted).mean(axis=1)
        ranked = np.argsort(mae)
        at = {place: ranked[round(share * (len(ranked) - 1))] for place, share in _EXAMPLES.items()}
        return tuple(
            Continued(
                place=place,
                of=len(rows),
                mae=float(mae[row]),
                past=tuple(past[row][np.isfinite(past[row])].tolist()),
                truth=tuple(truth[row].tolist()),
                predicted=tuple(predicted[row].tolist()),
            )
            for place, row in at.items()
        )
