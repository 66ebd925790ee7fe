"""Plots fill their figures, and nothing of them is cut off."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG

from stoker.kinds import Interval
from stoker.kinds.rollout import Side, Step
from stoker_workers.ml.evaluation.classification import Reliability
from stoker_workers.ml.evaluation.quality import Pairs
from stoker_workers.ml.evaluation.report import plots, rollout_plots

NAMES = [f"{'with a long name ' * count}{count}" for count in range(4)]
STEP = Step(number=1, share=0.1, began=datetime.now(UTC), old=Side(p95_ms=1.5), new=Side(p95_ms=2.5))
DRAWINGS: dict[str, Callable[[], object]] = {
    "few classes": lambda: plots.confusion(((1, 2), (3, 4)), ("a class of a long name", "and another one of such")),
    "many classes": lambda: plots.confusion(((10_000_000,) * 30,) * 30, tuple(map(str, range(30)))),
    "points on the edges": lambda: plots.reliability(Reliability((0.0, 1.0), (0.0, 1.0), (1, 99))),
    "large numbers": lambda: plots.pairs(Pairs((-12345678.0, 0.5), (1.0, 98765432.0))),
    "small differences": lambda: plots.learning({"loss": (0.123456, 0.123457, 0.123458)}, "loss"),
    "long names": lambda: plots.intervals(
        dict.fromkeys(NAMES, Interval(low=0.1, high=0.2)), dict.fromkeys(NAMES, 0.15), "accuracy"
    ),
    "names at the edges": lambda: plots.trade_off(
        [plots.Bubble(name, float(place), place / 3, 10.0**place, True) for place, name in enumerate(NAMES)],  # noqa: FBT003
        "milliseconds for one row",
        "accuracy",
    ),
    "a legend above": lambda: rollout_plots.times([STEP]),
}


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_nothing_is_cut_off_and_little_stays_free(drawing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: set[FigureCanvasSVG] = set()
    draw = FigureCanvasSVG.print_svg

    def drawing_seen(canvas: FigureCanvasSVG, *arguments: Any, **more: Any) -> None:
        drawn.add(canvas)
        draw(canvas, *arguments, **more)  # type: ignore[no-untyped-call]  # matplotlib has no types here

    monkeypatch.setattr(FigureCanvasSVG, "print_svg", drawing_seen)
    DRAWINGS[drawing]()
    [canvas] = drawn
    [axes] = canvas.figure.axes
    whole, used = canvas.figure.bbox, axes.get_tightbbox(for_layout_only=True)
    assert used
    margins = (used.x0, used.y0, whole.width - used.x1, whole.height - used.y1)
    assert min(margins) > 0
    assert max(margins) < 0.03 * whole.width
