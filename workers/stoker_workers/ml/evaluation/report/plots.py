"""Draws a report's plots. Importing this imports matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from stoker.kinds import Interval
from stoker.terminal.html import Html

from ..classification import Reliability
from ..quality import Pairs
from ..residuals import Residuals
from .canvas import ACCENT, MUTED, SECOND, WIDTH_IN, axes_of, short, style, svg

_ANNOTATED_CLASSES = 20
_LABELLED_CLASSES = 40
_NAME_LENGTH = 28  # as long as a range of dates
# From how many times the least cost on a logarithm shows more.
_SPREAD = 10


def confusion(counts: tuple[tuple[int, ...], ...], labels: tuple[str, ...]) -> Html:
    """The confusion matrix as a map, with its numbers where there is room."""
    matrix = np.array(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with style():
        figure, axes = axes_of(WIDTH_IN, min(1.6 + 0.35 * len(labels), 4.8))
        axes.grid(visible=False)
        rows, columns = np.nonzero(matrix)
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
        squares = np.stack([columns, rows], axis=1)[:, None] + corners
        shades = [to_rgba(ACCENT, 0.08 + 0.67 * share) for share in shares[rows, columns]]
        axes.add_collection(PolyCollection(squares, facecolors=shades, linewidths=0))
        if len(labels) <= _ANNOTATED_CLASSES:
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                number = f"{matrix[row, column]:,}"
                # Within the axes, whose room is not theirs to judge.
                axes.text(column, row, number, ha="center", va="center", fontsize=8, in_layout=False)
        edges = -0.5, len(labels) - 0.5
        axes.set(xlim=edges, ylim=edges[::-1], xlabel="predicted", ylabel="true")
        if len(labels) <= _LABELLED_CLASSES:
            names = [short(label) for label in labels]
            upright = sum(map(len, names)) > 48
            axes.set_xticks(range(len(labels)), names, rotation=90 if upright else 0)
            axes.set_yticks(range(len(labels)), names)
        return svg(figure, "confusion matrix")


def reliability(curve: Reliability) -> Html:
    """Accuracy against confidence; the area of a point grows with its rows."""
    share = np.array(curve.rows) / sum(curve.rows)
    with style():
        figure, axes = axes_of()
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
        axes.plot(curve.confidence, curve.accuracy, color=ACCENT, linewidth=1, alpha=0.5)
        axes.scatter(
            curve.confidence, curve.accuracy, s=18 + 350 * share, color=ACCENT, alpha=0.75, linewidth=0, clip_on=False
        )
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="confidence", ylabel="accuracy")
        return svg(figure, "reliability curve")


def noise(levels: dict[str, float], clean: float, interval: Interval, metric: str) -> Html:
    """The metric over the level of noise, with the interval of the clean one as a band."""
    points = sorted((float(level), value) for level, value in levels.items())
    x, y = [0.0, *(level for level, _ in points)], [clean, *(value for _, value in points)]
    with style():
        figure, axes = axes_of()
        axes.axhspan(interval.low, interval.high, color=ACCENT, alpha=0.12, linewidth=0, label="95 % without noise")
        axes.plot(x, y, color=ACCENT, marker="o", markersize=4.5, linewidth=1.5)
        axes.set(xlabel="noise in standard deviations of each input", ylabel=metric)
        axes.legend(loc="lower left")
        return svg(figure, f"{metric} under noise")


def pairs(sample: Pairs) -> Html:
    """Prediction against truth."""
    low = min(*sample.truth, *sample.predicted)
    high = max(*sample.truth, *sample.predicted)
    with style():
        figure, axes = axes_of()
        axes.plot([low, high], [low, high], color=MUTED, linestyle="--", linewidth=1)
        axes.scatter(sample.truth, sample.predicted, s=12, color=ACCENT, alpha=0.5, linewidth=0)
        axes.set(xlabel="truth", ylabel="prediction")
        return svg(figure, "prediction against truth")


def residuals_by_prediction(sample: Pairs) -> Html:
    """The truth minus the prediction, over the prediction: a cloud around 0 that is as wide everywhere is good."""
    with style():
        figure, axes = axes_of()
        axes.axhline(0, color=MUTED, linestyle="--", linewidth=1)
        gaps = np.subtract(sample.truth, sample.predicted)
        axes.scatter(sample.predicted, gaps, s=12, color=ACCENT, alpha=0.5, linewidth=0)
        axes.set(xlabel="prediction", ylabel="truth − prediction")
        return svg(figure, "residuals over the prediction")


def residuals(spread: Residuals) -> Html:
    """The histogram of the truth minus the prediction."""
    with style():
        figure, axes = axes_of()
        axes.axvline(0, color=MUTED, linestyle="--", linewidth=1)
        axes.stairs(spread.counts, spread.edges, fill=True, color=ACCENT, alpha=0.75)
        axes.set(xlabel="truth − prediction", ylabel="rows")
        return svg(figure, "histogram of residuals")


def learning(history: dict[str, tuple[float, ...]], metric: str) -> Html:
    """A training metric by epoch, and the same on the validation rows where there were any."""
    with style():
        figure, axes = axes_of(WIDTH_IN, 3.0)
        for name, label, color in ((metric, "training", ACCENT), (f"val_{metric}", "validation", SECOND)):
            if name in history:
                epochs = range(1, len(history[name]) + 1)
                axes.plot(epochs, history[name], color=color, marker=".", linewidth=1.5, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch", ylabel=metric)
        axes.legend()
        return svg(figure, f"{metric} by epoch")


def intervals(
    of: Mapping[str, Interval], values: Mapping[str, float], metric: str, overall: float | None = None
) -> Html:
    """A metric of several models or slices, one below the other, each with its interval.

    Args:
        overall: that of all rows, as a line.
    """
    with style():
        figure, axes = axes_of(WIDTH_IN, 0.9 + 0.27 * len(of))
        if overall is not None:
            axes.axvline(overall, color=MUTED, linestyle="--", linewidth=1)
        for place, (name, around) in enumerate(of.items()):
            axes.plot([around.low, around.high], [place, place], color=ACCENT, linewidth=5, alpha=0.25)
            axes.scatter(values[name], place, s=28, color=ACCENT, linewidth=0, zorder=3)
        axes.set_yticks(range(len(of)), [short(name, _NAME_LENGTH) for name in of])
        axes.set(ylim=(len(of) - 0.5, -0.5), xlabel=metric)
        return svg(figure, f"{metric} with intervals")


@dataclass(frozen=True)
class Bubble:
    """A model among others: what it costs and gives, its size, and whether it stands out."""

    name: str
    x: float
    y: float
    size: float
    stands_out: bool


def trade_off(bubbles: Sequence[Bubble], x: str, y: str) -> Html:
    """What models give over what they cost; the area of a point grows with its size."""
    largest = max(bubble.size for bubble in bubbles)
    costs = [bubble.x for bubble in bubbles]
    with style():
        figure, axes = axes_of()
        if min(costs) > 0 and max(costs) > _SPREAD * min(costs):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        for bubble in bubbles:
            color = ACCENT if bubble.stands_out else MUTED
            area = 18 + 400 * bubble.size / largest
            axes.scatter(bubble.x, bubble.y, s=area, color=color, alpha=0.6, linewidth=0)
            above = (0, 4 + area**0.5 / 2)
            label, at = short(bubble.name), (bubble.x, bubble.y)
            axes.annotate(label, at, above, textcoords="offset points", ha="center", fontsize=8)
        axes.margins(0.15)
        axes.set(xlabel=x, ylabel=y)
        return svg(figure, f"{y} over {x}")
