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
# The room for labels before they are measured, and what stays free around them.
_LEFT_IN, _BOTTOM_IN, _PAD_IN = 0.55, 0.45, 0.04
_DPI = 72  # as an SVG is drawn, so that what is measured once is known
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
            "font.family": "DejaVu Sans",  # by which labels are measured; of a list, each font would be looked for
            "font.size": 9,
        }
    )


def short(label: str, length: int = _LABEL_LENGTH) -> str:
    """A label that fits beside a plot: of many that begin alike, the ends differ. matplotlib escapes it for SVG."""
    plain = printable(label)
    half = length // 2
    return plain if len(plain) <= length else f"{plain[:half]}…{plain[1 - half :]}"


def axes_of(width_in: float = WIDTH_IN, height_in: float = HEIGHT_IN) -> tuple[Figure, Axes]:
    """A figure of one plot, which `svg` lays out."""
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI)
    margins = {name: inches / width_in for name, inches in (("left", _LEFT_IN), ("right", width_in - _PAD_IN))}
    margins |= {name: inches / height_in for name, inches in (("bottom", _BOTTOM_IN), ("top", height_in - _PAD_IN))}
    figure.subplots_adjust(**margins)
    return figure, figure.add_subplot()


def _lay_out(figure: Figure) -> None:
    """Give the labels of a figure's axes the room that they need, and the axes what is left.

    They are measured once, with the axes about as large as they will be: matplotlib's own layouts measure twice, and
    take as long as the drawing.
    """
    [axes] = figure.axes
    whole, inner = figure.bbox, axes.bbox
    outer = axes.get_tightbbox(for_layout_only=True)
    assert outer, "the axes are visible"
    pad = _PAD_IN * _DPI
    figure.subplots_adjust(
        left=(inner.x0 - outer.x0 + pad) / whole.width,
        right=1 - (outer.x1 - inner.x1 + pad) / whole.width,
        bottom=(inner.y0 - outer.y0 + pad) / whole.height,
        top=1 - (outer.y1 - inner.y1 + pad) / whole.height,
    )


def svg(figure: Figure, told: str) -> Html:
    """The figure as an `<svg>` element; `told` is what a screen reader says."""
    buffer = io.StringIO()
    bare = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with warnings.catch_warnings():
        # A label in a script that the font for measuring has not; the reader's browser has another.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        canvas = FigureCanvasSVG(figure)
        _lay_out(figure)
        # `savefig` would draw it twice. This has no types.
        canvas.print_svg(buffer, metadata=bare)  # type: ignore[no-untyped-call]
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing)  # every plot of the page would have the same ones
    drawing = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", drawing)  # the page's type
    for color, variable in _VARIABLES.items():
        drawing = drawing.replace(color, f"var(--{variable})")
    return Html(drawing.replace("<svg", f'<svg role="img" aria-label="{text(told)}"', 1).strip())
