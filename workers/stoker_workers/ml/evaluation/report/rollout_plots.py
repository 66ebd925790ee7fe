"""Draws a deployment's steps. Importing this imports matplotlib."""

import itertools
from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from stoker.kinds.rollout import Step
from stoker.terminal.html import Html

from .canvas import ACCENT, MUTED, SECOND, WIDTH_IN, axes_of, style, svg


def shares(steps: Sequence[Step]) -> Html | None:
    """How many requests both versions have answered in each step; None where there was but a shadow."""
    answered = [step for step in steps if step.share]
    if not answered:
        return None
    with style():
        figure, axes = axes_of(WIDTH_IN, 0.9 + 0.35 * len(answered))
        for place, step in enumerate(answered):
            new = step.new.requests
            axes.barh(place, new, color=ACCENT, height=0.6)
            axes.barh(place, step.old.requests, left=new, color=MUTED, alpha=0.35, height=0.6)
        axes.set_yticks(range(len(answered)), [step.name for step in answered])
        axes.set(ylim=(len(answered) - 0.5, -0.5), xlabel="requests")
        return svg(figure, "requests by step")


def errors(steps: Sequence[Step]) -> Html | None:
    """The share of errors at each look; None where there was none."""
    looks = [(step, sample) for step in steps if step.share for sample in step.samples]
    if not looks:
        return None
    with style():
        figure, axes = axes_of(WIDTH_IN, 3.0)
        places = range(1, len(looks) + 1)
        for name, color in (("new", ACCENT), ("old", SECOND)):
            axes.plot(
                places,
                [100 * getattr(sample, name) for _, sample in looks],
                color=color,
                marker=".",
                linewidth=1.5,
                label=f"{name} version",
            )
        for place, (one, two) in enumerate(itertools.pairwise(looks), 1):
            if one[0].number != two[0].number:
                axes.axvline(place + 0.5, color=MUTED, linestyle="--", linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="look at the evidence; a line between steps", ylabel="errors, %")
        axes.set_ylim(bottom=0)
        axes.legend()
        return svg(figure, "errors by look")


def times(steps: Sequence[Step]) -> Html | None:
    """What 95 of 100 batches took at most, by step; None where nothing was timed."""
    timed = [step for step in steps if step.new.p95_ms is not None and step.old.p95_ms is not None]
    if not timed:
        return None
    with style():
        figure, axes = axes_of(WIDTH_IN, 1.2 + 0.45 * len(timed))
        for place, step in enumerate(timed):
            axes.barh(place - 0.18, step.new.p95_ms or 0, color=ACCENT, height=0.34, label="new version")
            axes.barh(place + 0.18, step.old.p95_ms or 0, color=SECOND, height=0.34, label="old version")
        axes.set_yticks(range(len(timed)), [step.name for step in timed])
        axes.set(ylim=(len(timed) - 0.5, -0.5), xlabel="milliseconds")
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[:2], labels[:2], loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        return svg(figure, "time of 95 of 100 batches by step")
