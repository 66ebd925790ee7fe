"""Draws ROC and precision-recall curves. Importing this imports matplotlib."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from stoker.terminal.html import Html

from ..curves import Curve
from .canvas import LINES, MUTED, axes_of, short, style, svg

_LIMITS = (-0.02, 1.02)


def roc(curves: Sequence[Curve]) -> Html:
    """The share of a class's rows that are above a threshold, over that of all other rows."""
    with style():
        figure, axes = axes_of()
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
        for color, curve in zip(LINES, curves, strict=False):
            label = f"{short(curve.label)}: {curve.roc_auc:.3f}"
            axes.plot(curve.false_positive_rate, curve.true_positive_rate, color=color, linewidth=1.5, label=label)
        _name(axes, "false positive rate", "true positive rate")
        axes.legend(loc="lower right", fontsize=8)
        return svg(figure, "ROC curves")


def precision_recall(curves: Sequence[Curve]) -> Html:
    """How many of the rows above a threshold are of the class, over how many of the class's rows are above it."""
    with style():
        figure, axes = axes_of()
        for color, curve in zip(LINES, curves, strict=False):
            label = f"{short(curve.label)}: {curve.average_precision:.3f}"
            axes.plot(curve.recall, curve.precision, color=color, linewidth=1.5, label=label)
            if len(curves) <= 2:
                axes.axhline(curve.share, color=color, linestyle="--", linewidth=1, alpha=0.6)
        _name(axes, "recall", "precision")
        axes.legend(loc="lower left", fontsize=8)
        return svg(figure, "precision-recall curves")


def _name(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=_LIMITS, ylim=_LIMITS, xlabel=x, ylabel=y)
