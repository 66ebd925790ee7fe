"""Draws the plots of a tuning's page. Importing this imports matplotlib."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from stoker.kinds import Choice, TunedTrial
from stoker.kinds.tuning.goal import Goal
from stoker.kinds.tuning.space import Parameter
from stoker.terminal.html import Html

from ..evaluation.report.canvas import ACCENT, GRID, INK, MUTED, SECOND, WIDTH_IN, axes_of, short, style, svg
from ..evaluation.report.parts import number
from .trials import TrialJob

_NAME_LENGTH = 28
# Of the trials that ended well, the best share that is drawn in colour.
_IN_COLOUR = 1 / 3


def history(trials: Sequence[TunedTrial], goal: Goal) -> Html:
    """The value of each trial in order, and the best so far as a line."""
    valued = [(trial, trial.value) for trial in trials if trial.value is not None]
    ended = [(trial.number, value) for trial, value in valued if trial.state == "SUCCEEDED"]
    pruned = [(trial.number, value) for trial, value in valued if trial.state == "PRUNED"]
    better = np.maximum if goal.mode == "max" else np.minimum
    with style():
        figure, axes = axes_of()
        for points, color in ((pruned, MUTED), (ended, ACCENT)):
            if points:
                numbers, values = zip(*points, strict=True)
                axes.scatter(numbers, values, s=18, color=color, alpha=0.7, linewidth=0)
        if ended:
            numbers, values = zip(*ended, strict=True)
            axes.step(numbers, better.accumulate(np.array(values)), color=SECOND, linewidth=1.5, where="post")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="trial", ylabel=goal.metric)
        return svg(figure, f"{goal.metric} by trial")


def importances(shares: Mapping[str, float]) -> Html:
    """The share of each parameter, the largest on top."""
    with style():
        figure, axes = axes_of(WIDTH_IN, 0.9 + 0.3 * len(shares))
        axes.barh(range(len(shares)), list(shares.values()), color=ACCENT, alpha=0.75, height=0.6)
        axes.set_yticks(range(len(shares)), [short(name, _NAME_LENGTH) for name in shares])
        axes.set(ylim=(len(shares) - 0.5, -0.5), xlim=(0, 1), xlabel="importance")
        return svg(figure, "importance of each setting")


def parallel(space: Mapping[str, Parameter], trials: Sequence[TrialJob], goal: Goal, best: int) -> Html:
    """A line for each trial over an axis for each parameter, and one for the value at the end."""
    drawn = [trial for trial in trials if trial.value is not None and trial.state in ("SUCCEEDED", "PRUNED")]
    values = [trial.value or 0.0 for trial in drawn]
    low, high = min(values), max(values)
    ended = sorted(goal.sign * value for trial, value in zip(drawn, values, strict=True) if trial.state == "SUCCEEDED")
    good = ended[-max(1, round(len(ended) * _IN_COLOUR))]
    places = range(len(space) + 1)
    with style():
        figure, axes = axes_of(max(WIDTH_IN, 1.1 * (len(space) + 1)), 4.0)
        axes.grid(visible=False)
        for place in places:
            axes.axvline(place, color=GRID, linewidth=1)
        for trial, value in zip(drawn, values, strict=True):
            heights = [
                _height(parameter, trial.trial.settings[name]) if name in trial.trial.settings else np.nan
                for name, parameter in space.items()
            ]
            heights.append(0.5 if high == low else (value - low) / (high - low))
            is_good = trial.state == "SUCCEEDED" and goal.sign * value >= good
            color, width = (SECOND, 2.5) if trial.number == best else (ACCENT, 1.0) if is_good else (MUTED, 0.7)
            strong = trial.number == best or is_good
            axes.plot(places, heights, color=color, linewidth=width, alpha=0.9 if strong else 0.3, zorder=1 + strong)
        for place, (bottom, top) in enumerate([*map(_ends, space.values()), (number(low), number(high))]):
            axes.text(place, -0.03, short(bottom), ha="center", va="top", fontsize=8, color=INK)
            axes.text(place, 1.03, short(top), ha="center", va="bottom", fontsize=8, color=INK)
        axes.set_xticks(places, [short(name) for name in (*space, goal.metric)], rotation=20, ha="right")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set(ylim=(-0.12, 1.12))
        return svg(figure, "settings of all trials")


def _height(parameter: Parameter, value: float) -> float:
    """Where a value is between the ends of its axis, 0 to 1."""
    if isinstance(parameter, Choice):
        return value / (parameter.count - 1) if parameter.count > 1 else 0.5
    if parameter.log:
        return float(np.log(value / parameter.low) / np.log(parameter.high / parameter.low))
    return (value - parameter.low) / (parameter.high - parameter.low)


def _ends(parameter: Parameter) -> tuple[str, str]:
    """What stands at the ends of an axis."""
    if isinstance(parameter, Choice):
        return parameter.labels[0], parameter.labels[-1]
    return number(parameter.low), number(parameter.high)
