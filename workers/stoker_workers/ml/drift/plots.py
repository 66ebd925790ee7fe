"""Draws a Monitor's plots. Importing this imports matplotlib."""

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from stoker.terminal.html import Html

from ..evaluation.report.canvas import ACCENT, LINES, MUTED, SECOND, axes_of, short, style, svg


def distances(windows: Sequence[int], of: Mapping[str, Sequence[float | None]]) -> Html:
    """Of several columns the distance in each window, as a share of what would be drift."""
    with style():
        figure, axes = axes_of()
        for color, (name, values) in zip(LINES, of.items(), strict=False):
            there = [(at, value) for at, value in zip(windows, values, strict=True) if value is not None]
            axes.plot(*zip(*there, strict=True), color=color, linewidth=1.3, marker=".", label=short(name, 24))
        axes.axhline(1, color=MUTED, linestyle="--", linewidth=1)
        axes.set(xlabel="window", ylabel="distance, 1 = drift", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=7)
        return svg(figure, "distance of columns from the reference, by window")


def performance(
    windows: Sequence[int],
    values: Sequence[float | None],
    lows: Sequence[float | None],
    highs: Sequence[float | None],
    estimates: Sequence[float | None],
    gate: float | None,
    metric: str,
) -> Html:
    """What labels say in each window, with its interval; the estimate; and the gate as a line."""
    with style():
        figure, axes = axes_of()
        there = [
            (at, value, low, high)
            for at, value, low, high in zip(windows, values, lows, highs, strict=True)
            if value is not None and low is not None and high is not None
        ]
        if there:
            at, middle, low, high = zip(*there, strict=True)
            axes.fill_between(at, low, high, color=ACCENT, alpha=0.2, linewidth=0)
            axes.plot(at, middle, color=ACCENT, marker=".", label="by labels")
        guessed = [(at, value) for at, value in zip(windows, estimates, strict=True) if value is not None]
        if guessed:
            axes.plot(*zip(*guessed, strict=True), color=SECOND, linestyle=":", marker=".", label="estimated")
        if gate is not None:
            axes.axhline(gate, color=MUTED, linestyle="--", linewidth=1, label="on the reference")
        axes.set(xlabel="window", ylabel=metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=7)
        return svg(figure, f"{metric} by window")
