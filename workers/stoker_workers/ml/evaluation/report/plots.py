"""Draws a report's plots as inline SVG in the page's own colours and type. Importing this imports matplotlib."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from stoker.kinds import Interval
from stoker.terminal.printable import printable

from ..classification import Reliability
from ..quality import Pairs
from .html import Html, text

# Drawn in colours that nothing else has, which then become the page's variables: so plots follow light and dark.
_INK, _MUTED, _GRID, _ACCENT, _SECOND = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {_INK: "ink", _MUTED: "muted", _GRID: "grid", _ACCENT: "accent", _SECOND: "second"}
_WIDTH_IN, _HEIGHT_IN = 5.2, 3.6
_ANNOTATED_CLASSES = 20
_LABELLED_CLASSES = 40
_LABEL_LENGTH = 16
# From how many times the least cost on a logarithm shows more.
_SPREAD = 10


def confusion(counts: tuple[tuple[int, ...], ...], labels: tuple[str, ...]) -> Html:
    """The confusion matrix as a map, with its numbers where there is room."""
    matrix = np.array(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with _style():
        figure, axes = _axes(_WIDTH_IN, min(1.6 + 0.35 * len(labels), 4.8))
        axes.grid(visible=False)
        rows, columns = np.nonzero(matrix)
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
        squares = np.stack([columns, rows], axis=1)[:, None] + corners
        shades = [to_rgba(_ACCENT, 0.08 + 0.67 * share) for share in shares[rows, columns]]
        axes.add_collection(PolyCollection(squares, facecolors=shades, linewidths=0))
        if len(labels) <= _ANNOTATED_CLASSES:
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", fontsize=8)
        edges = -0.5, len(labels) - 0.5
        axes.set(xlim=edges, ylim=edges[::-1], xlabel="predicted", ylabel="true")
        if len(labels) <= _LABELLED_CLASSES:
            short = [_short(label) for label in labels]
            upright = sum(map(len, short)) > 48
            axes.set_xticks(range(len(labels)), short, rotation=90 if upright else 0)
            axes.set_yticks(range(len(labels)), short)
        return _svg(figure, "confusion matrix")


def reliability(curve: Reliability) -> Html:
    """Accuracy against confidence; the area of a point grows with its rows."""
    share = np.array(curve.rows) / sum(curve.rows)
    with _style():
        figure, axes = _axes()
        axes.plot([0, 1], [0, 1], color=_MUTED, linestyle="--", linewidth=1)
        axes.plot(curve.confidence, curve.accuracy, color=_ACCENT, linewidth=1, alpha=0.5)
        axes.scatter(
            curve.confidence, curve.accuracy, s=18 + 350 * share, color=_ACCENT, alpha=0.75, linewidth=0, clip_on=False
        )
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="confidence", ylabel="accuracy")
        return _svg(figure, "reliability curve")


def noise(levels: dict[str, float], clean: float, interval: Interval, metric: str) -> Html:
    """The metric over the level of noise, with the interval of the clean one as a band."""
    points = sorted((float(level), value) for level, value in levels.items())
    x, y = [0.0, *(level for level, _ in points)], [clean, *(value for _, value in points)]
    with _style():
        figure, axes = _axes()
        axes.axhspan(interval.low, interval.high, color=_ACCENT, alpha=0.12, linewidth=0, label="95 % without noise")
        axes.plot(x, y, color=_ACCENT, marker="o", markersize=4.5, linewidth=1.5)
        axes.set(xlabel="noise in standard deviations of each input", ylabel=metric)
        axes.legend(loc="lower left")
        return _svg(figure, f"{metric} under noise")


def pairs(sample: Pairs) -> Html:
    """Prediction against truth."""
    low = min(*sample.truth, *sample.predicted)
    high = max(*sample.truth, *sample.predicted)
    with _style():
        figure, axes = _axes()
        axes.plot([low, high], [low, high], color=_MUTED, linestyle="--", linewidth=1)
        axes.scatter(sample.truth, sample.predicted, s=12, color=_ACCENT, alpha=0.5, linewidth=0)
        axes.set(xlabel="truth", ylabel="prediction")
        return _svg(figure, "prediction against truth")


def learning(history: dict[str, tuple[float, ...]], metric: str) -> Html:
    """A training metric by epoch, and the same on the validation rows where there were any."""
    with _style():
        figure, axes = _axes(_WIDTH_IN, 3.0)
        for name, label, color in ((metric, "training", _ACCENT), (f"val_{metric}", "validation", _SECOND)):
            if name in history:
                epochs = range(1, len(history[name]) + 1)
                axes.plot(epochs, history[name], color=color, marker=".", linewidth=1.5, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch", ylabel=metric)
        axes.legend()
        return _svg(figure, f"{metric} by epoch")


def intervals(values: Mapping[str, float], of: Mapping[str, Interval], metric: str) -> Html:
    """A metric of several models, one below the other, each with its interval."""
    names = list(values)
    with _style():
        figure, axes = _axes(_WIDTH_IN, 0.9 + 0.27 * len(names))
        for place, name in enumerate(names):
            axes.plot([of[name].low, of[name].high], [place, place], color=_ACCENT, linewidth=5, alpha=0.25)
        axes.scatter(list(values.values()), range(len(names)), s=28, color=_ACCENT, linewidth=0, zorder=3)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.set(ylim=(len(names) - 0.5, -0.5), xlabel=metric)
        return _svg(figure, f"{metric} with intervals")


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
    with _style():
        figure, axes = _axes()
        if min(costs) > 0 and max(costs) > _SPREAD * min(costs):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        for bubble in bubbles:
            color = _ACCENT if bubble.stands_out else _MUTED
            area = 18 + 400 * bubble.size / largest
            axes.scatter(bubble.x, bubble.y, s=area, color=color, alpha=0.6, linewidth=0)
            above = (0, 4 + area**0.5 / 2)
            label, at = _short(bubble.name), (bubble.x, bubble.y)
            axes.annotate(label, at, above, textcoords="offset points", ha="center", fontsize=8)
        axes.margins(0.15)
        axes.set(xlabel=x, ylabel=y)
        return _svg(figure, f"{y} over {x}")


def _style() -> AbstractContextManager[None]:
    """The page's look, for as long as the context lasts."""
    return mpl.rc_context(
        {
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": "stoker",  # the same plot has the same ids, and so the same bytes
            "text.parse_math": False,  # a class may be called "$x$"
            "text.color": _INK,
            "axes.edgecolor": _GRID,
            "axes.labelcolor": _MUTED,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": _GRID,
            "xtick.color": _GRID,
            "ytick.color": _GRID,
            "xtick.labelcolor": _MUTED,
            "ytick.labelcolor": _MUTED,
            "legend.frameon": False,
            "font.size": 9,
        }
    )


def _short(label: str) -> str:
    """A label that fits beside a plot: of many that begin alike, the ends differ. matplotlib escapes it for SVG."""
    plain = printable(label)
    half = _LABEL_LENGTH // 2
    return plain if len(plain) <= _LABEL_LENGTH else f"{plain[:half]}…{plain[1 - half :]}"


def _axes(width_in: float = _WIDTH_IN, height_in: float = _HEIGHT_IN) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.add_subplot()


def _svg(figure: Figure, told: str) -> Html:
    """The figure as an `<svg>` element; `told` is what a screen reader says."""
    buffer = io.StringIO()
    bare = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with warnings.catch_warnings():
        # A label in a script that the font for measuring has not; the reader's browser has another.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", transparent=True, metadata=bare)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # every plot of the page would have the same ones
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)  # the page's type
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var(--{variable})")
    return Html(svg.replace("<svg", f'<svg role="img" aria-label="{text(told)}"', 1).strip())
