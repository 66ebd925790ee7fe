"""What plots are drawn on, in the colours and type of a page; with matplotlib."""

import io
import re
import warnings
from contextlib import AbstractContextManager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from stoker.terminal.html import Html, text
from stoker.terminal.printable import printable

# Drawn in colours that nothing else has, which then become the page's variables: so plots follow light and dark.
INK, MUTED, GRID, ACCENT, SECOND = "#010203", "#010204", "#010205", "#010206", "#010207"
LINES = tuple(f"#0103{number:02x}" for number in range(1, 9))
"""Of lines that are to be told apart."""
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    ACCENT: "accent",
    SECOND: "second",
    **{color: f"line-{number}" for number, color in enumerate(LINES, 1)},
}
WIDTH_IN, HEIGHT_IN = 5.2, 3.6
_LABEL_LENGTH = 16


def style() -> AbstractContextManager[None]:
    """The page's look, for as long as the context lasts."""
    return mpl.rc_context(
        {
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": "stoker",  # the same plot has the same ids, and so the same bytes
            "text.parse_math": False,  # a class may be called "$x$"
            "text.color": INK,
            "figure.facecolor": "none",
            "figure.edgecolor": "none",
            "axes.facecolor": "none",
            "axes.edgecolor": GRID,
            "axes.labelcolor": MUTED,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": GRID,
            "xtick.color": GRID,
            "ytick.color": GRID,
            "xtick.labelcolor": MUTED,
            "ytick.labelcolor": MUTED,
            "legend.frameon": False,
            "font.size": 9,
        }
    )


def short(label: str, length: int = _LABEL_LENGTH) -> str:
    """A label that fits beside a plot: of many that begin alike, the ends differ. matplotlib escapes it for SVG."""
    plain = printable(label)
    half = length // 2
    return plain if len(plain) <= length else f"{plain[:half]}…{plain[1 - half :]}"


def axes_of(width_in: float = WIDTH_IN, height_in: float = HEIGHT_IN) -> tuple[Figure, Axes]:
    """A figure of one plot."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.add_subplot()


def svg(figure: Figure, told: str) -> Html:
    """The figure as an `<svg>` element; `told` is what a screen reader says."""
    buffer = io.StringIO()
    bare = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with warnings.catch_warnings():
        # A label in a script that the font for measuring has not; the reader's browser has another.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        # Lays the figure out and draws it; `savefig` would go through all of it twice. It has no types.
        FigureCanvasSVG(figure).print_svg(buffer, metadata=bare)  # type: ignore[no-untyped-call]
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing)  # every plot of the page would have the same ones
    drawing = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", drawing)  # the page's type
    for color, variable in _VARIABLES.items():
        drawing = drawing.replace(color, f"var(--{variable})")
    return Html(drawing.replace("<svg", f'<svg role="img" aria-label="{text(told)}"', 1).strip())
