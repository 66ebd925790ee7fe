"""Small plots for README.md, as SVG that shows on light and dark pages."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib.figure import Figure

_FOLDER = Path(__file__).parent / "results"
_OURS, _THEIRS, _INK = "#d9480f", "#868e96", "#868e96"


def bars(name: str, title: str, cases: Sequence[tuple[str, dict[str, float]]], unit: str) -> str:
    """Draw medians as bars and their spread as whiskers into results/<name>.svg, on a scale of powers of ten.

    Returns:
        The line of Markdown that shows it.
    """
    ordered = sorted(cases, key=lambda case: case[1]["median"])
    labels = [label for label, _ in ordered]
    medians = [max(figure["median"], 1) for _, figure in ordered]
    below = [median - max(figure["low"], 1) for median, (_, figure) in zip(medians, ordered, strict=True)]
    above = [max(figure["high"] - median, 0) for median, (_, figure) in zip(medians, ordered, strict=True)]
    with mpl.rc_context(
        {
            "svg.fonttype": "none",  # text stays text: small files, and the page's own fonts
            "svg.hashsalt": "stoker",  # the same figures give the same file
            "font.family": "sans-serif",
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "axes.edgecolor": _INK,
        }
    ):
        figure = Figure(figsize=(8, 0.6 + 0.32 * len(ordered)), layout="constrained")
        axes = figure.subplots()
        axes.barh(
            labels,
            medians,
            xerr=[[max(value, 0) for value in below], above],
            color=[_OURS if label.startswith("stoker") else _THEIRS for label in labels],
            ecolor=_INK,
            height=0.7,
        )
        axes.set_xscale("log")
        axes.set_xlabel(unit)
        axes.set_title(title, loc="left")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(_FOLDER / f"{name}.svg", transparent=True, metadata={"Date": None})
    return f"![{title}](results/{name}.svg)"
