"""Draws how much a model needs each column. Importing this imports matplotlib."""

from collections.abc import Sequence

import numpy as np

from stoker.kinds import Importance
from stoker.terminal.html import Html

from .canvas import ACCENT, MUTED, WIDTH_IN, axes_of, short, style, svg

_NAME_LENGTH = 28


def bars(columns: Sequence[Importance], metric: str) -> Html:
    """A bar for each column, one below the other, with the spread of the repeats."""
    with style():
        figure, axes = axes_of(WIDTH_IN, 0.9 + 0.22 * len(columns))
        places = np.arange(len(columns))
        drops, spreads = [each.drop for each in columns], [each.spread for each in columns]
        axes.barh(places, drops, xerr=spreads, color=ACCENT, ecolor=MUTED, alpha=0.8, height=0.7)
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_yticks(places, [short(each.column, _NAME_LENGTH) for each in columns])
        axes.set(ylim=(len(columns) - 0.5, -0.5), xlabel=f"fall of {metric}")
        return svg(figure, f"fall of {metric} by column")
