"""Draws forecasts. Importing this imports matplotlib."""

from matplotlib.ticker import MaxNLocator

from stoker.kinds.evaluate import ForecastAccuracy
from stoker.terminal.html import Html

from ..forecasting import Continued
from .canvas import ACCENT, MUTED, SECOND, axes_of, style, svg


def errors(accuracy: ForecastAccuracy) -> Html:
    """The mean absolute error over the steps of the horizon."""
    season = f"the last {accuracy.season_steps} steps again"
    lines = (
        ("forecast", accuracy.model, ACCENT),
        ("the last value again", accuracy.last, MUTED),
        (season, accuracy.season, SECOND),
    )
    with style():
        figure, axes = axes_of()
        for label, steps, color in lines:
            if steps:
                axes.plot(range(1, len(steps.mae) + 1), steps.mae, color=color, marker=".", linewidth=1.5, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="steps ahead", ylabel="mean absolute error", ylim=(0, None))
        axes.legend()
        return svg(figure, "errors by step")


def example(continued: Continued) -> Html:
    """A window, and what comes behind it: the truth and the forecast."""
    ahead = range(1, len(continued.truth) + 1)
    with style():
        figure, axes = axes_of()
        axes.plot(range(1 - len(continued.past), 1), continued.past, color=MUTED, linewidth=1)
        axes.plot(ahead, continued.truth, color=MUTED, marker=".", linewidth=1.5, label="truth")
        axes.plot(ahead, continued.predicted, color=ACCENT, marker=".", linewidth=1.5, label="forecast")
        axes.axvline(0.5, color=MUTED, linestyle="--", linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="steps")
        axes.legend(loc="best")
        return svg(figure, "forecast against truth")
