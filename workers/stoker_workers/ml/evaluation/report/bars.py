"""Draws histograms as inline SVG, small and without matplotlib: a page may have one for each of many columns."""

from collections.abc import Mapping, Sequence

from stoker.terminal.html import Html, lines, tag, text

_WIDTH, _HEIGHT, _GAP = 300, 72, 1.5


def histogram(counts: Sequence[int], low: str, high: str, told: str) -> Html:
    """Bars side by side, and what stands at their ends; `told` is what a screen reader says."""
    step, highest = _WIDTH / len(counts), max(*counts, 1)
    bars = [
        f'<rect x="{place * step:.1f}" y="{_HEIGHT - height:.1f}" width="{step - _GAP:.1f}" height="{height:.1f}" '
        'fill="var(--accent)"/>'
        for place, count in enumerate(counts)
        if count and (height := max(_HEIGHT * count / highest, 1))
    ]
    svg = f'<svg role="img" aria-label="{text(told)}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(bars)}</svg>'
    return lines(Html(svg), tag("p", tag("span", low), tag("span", high), class_="ends"))


def shares(counts: Mapping[str, int], rows: int) -> Html:
    """Labels one below the other, each with a bar as long as its share of the rows."""
    cells = [
        tag(
            "tr",
            tag("td", label),
            tag("td", tag("span", class_="bar", style=f"width: {100 * count / max(rows, 1):.1f}%"), class_="track"),
            tag("td", f"{count:,}"),
        )
        for label, count in counts.items()
    ]
    return tag("table", lines(*cells), class_="shares")
