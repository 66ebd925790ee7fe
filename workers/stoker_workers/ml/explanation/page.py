"""Renders what explains a model as one HTML page that needs nothing beside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from stoker.kinds import Attribution, ExplainResult, Explanation, Importance
from stoker.models.signature import Signature
from stoker.models.tensors import Array
from stoker.terminal.html import Html, lines, table, tag, text

from ..data.source import Floats
from ..evaluation.pictures import png, shades
from ..evaluation.report.parts import number, page, panel, section, title, warnings
from .features import name_of

_MOST_COLUMNS = 30
"""Columns that are drawn; the report in JSON has all."""
_MOST_ROWS = 30
_MOST_BARS = 12
_LARGEST_SIDE = 224
_MORE, _LESS = (37, 99, 201), (194, 87, 26)
"""The colours of what raises and lowers the number that is explained."""


@dataclass(frozen=True)
class Pictured:
    """The pictures among explained rows.

    Attributes:
        shades: of each column of pictures, (rows, height, width, channels) from 0 to 1.
    """

    shades: Mapping[str, Floats]

    @classmethod
    def of(cls, signature: Signature, rows: Mapping[str, Array]) -> Self:
        """Those among a model's tensors."""
        found: dict[str, Floats] = {}
        for spec in signature.inputs:
            if spec.name in rows and len(spec.shape) == 3 and spec.shape[-1] in (1, 3):
                found[name_of(spec)] = shades(rows[spec.name][:_MOST_ROWS], spec)
        return cls(found)


def render(result: ExplainResult, pictured: Pictured) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    given = len(result.explanations)
    on = f"{result.data} · {result.rows:,} rows" if result.rows else f"{given} {'row' if given == 1 else 'rows'}"
    sections = [lines(tag("h1", result.model), tag("p", f"explained on {on}", class_="about"))]
    if result.warnings:
        sections.append(warnings(result.warnings))
    if result.importance:
        sections.append(section("How much the model needs each column", _importance(result)))
    if result.explanations:
        shown = result.explanations[:_MOST_ROWS]
        panels = [each for place, one in enumerate(shown) for each in _row(one, place, pictured)]
        sections.append(section("Single rows", panels))
        note = f"Attributions are counted from {result.baseline}. They add up to the number minus that of the baseline."
        sections.append(tag("p", note, class_="note"))
        if len(shown) < len(result.explanations):
            sections.append(tag("p", f"The first {len(shown)} rows; the report in JSON has all.", class_="note"))
    return page(f"Explanation of {result.model}", *sections)


def _importance(result: ExplainResult) -> Iterator[Html]:
    from ..evaluation.report import importance  # with matplotlib, which nothing but a page needs

    for output in dict.fromkeys(each.output for each in result.importance):
        own = [each for each in result.importance if each.output == output]
        metric = title(own[0].metric)
        named = f"{output}: {metric}" if output else metric
        drawn = own[:_MOST_COLUMNS]
        more = f" The {len(drawn)} most important of {len(own)} columns." if len(drawn) < len(own) else ""
        yield panel(
            f"Fall of {named}",
            importance.bars(drawn, metric),
            f"By how much it falls when the column is shuffled among the rows, with the standard deviation.{more}",
        )
        yield panel(f"{named}, in numbers", _numbers(drawn))


def _numbers(rows: list[Importance]) -> Html:
    cells = [
        (
            each.column,
            f"{number(each.drop)} ± {number(each.spread)}",
            f"{number(each.loss)} ± {number(each.loss_spread)}",
        )
        for each in rows
    ]
    return table(("Column", "Falls by", "Loss grows by"), cells)


def _row(explanation: Explanation, place: int, pictured: Pictured) -> Iterator[Html]:
    for name, each in explanation.outputs.items():
        told = each.target if len(explanation.outputs) == 1 else f"{name}, {each.target}"
        head = f"Row {explanation.row} · {told}: {number(each.value)}"
        missing = "" if each.complete else f" Not complete: {number(each.error)} is missing from the sum."
        note = f"Baseline {number(each.base)}.{missing}"
        yield panel(head, lines(*_drawings(each, place, pictured)), note)


def _drawings(each: Attribution, place: int, pictured: Pictured) -> Iterator[Html]:
    for column, pixels in each.pixels.items():
        picture = pictured.shades[column][place] if column in pictured.shades else None
        yield _heat(column, np.array(pixels), picture)
    for column, words in each.words.items():
        if words:
            yield _shaded(column, words)
    if len(each.columns) > 1 or not (each.pixels or each.words):
        yield _bars(each)


def _bars(each: Attribution) -> Html:
    """Columns one below the other, each with a bar to the right or to the left."""
    shown = list(each.columns.items())[:_MOST_BARS]
    rest = each.rest + sum(list(each.columns.values())[_MOST_BARS:])
    if len(each.columns) > _MOST_BARS or each.rest:
        shown.append(("all others", rest))
    largest = max((abs(share) for _, share in shown), default=0.0) or 1.0
    rows = []
    for name, share in shown:
        color = "var(--accent)" if share >= 0 else "var(--second)"
        bar = tag("span", class_="bar", style=f"width: {100 * abs(share) / largest:.1f}%; background: {color}")
        rows.append(tag("tr", tag("td", name), tag("td", bar, class_="track"), tag("td", number(share))))
    return tag("table", lines(*rows), class_="shares")


def _shaded(column: str, words: tuple[tuple[str, float], ...]) -> Html:
    """A text whose words are shaded by what they contribute."""
    largest = max(abs(share) for _, share in words) or 1.0
    marked = [
        tag("span", word, style=f"background: {_color(share / largest)}", title=f"{share:+.4g}")
        for word, share in words
    ]
    return tag("p", tag("b", f"{column}: "), Html(" ".join(marked)), class_="text")


def _color(share: float) -> str:
    red, green, blue = _MORE if share >= 0 else _LESS
    return f"rgba({red}, {green}, {blue}, {0.55 * abs(share):.3f})"


def _heat(column: str, pixels: Floats, picture: Floats | None) -> Html:
    """A picture in grey, and over it where it raises the number, and where it lowers it."""
    height, width = pixels.shape
    scale = max(1, _LARGEST_SIDE // max(height, width) // 2)
    strength = np.abs(pixels) / (np.abs(pixels).max() or 1.0)
    hue = np.where(pixels[..., None] >= 0, np.array(_MORE), np.array(_LESS)) / 255
    ground = np.full((height, width, 3), 0.96) if picture is None else _ground(picture, height, width)
    mixed = ground * (1 - strength[..., None]) + hue * strength[..., None]
    encoded = png(mixed.repeat(scale, axis=0).repeat(scale, axis=1))
    told = f"what each pixel of {column} contributes"
    return tag("figure", Html(f'<img alt="{text(told)}" src="data:image/png;base64,{text(encoded)}">'))


def _ground(picture: Floats, height: int, width: int) -> Floats:
    """A picture in light grey, in the size of its map."""
    down = np.linspace(0, picture.shape[0] - 1, height).round().astype(int)
    right = np.linspace(0, picture.shape[1] - 1, width).round().astype(int)
    grey = picture.mean(axis=-1)[down][:, right]
    return np.repeat((0.45 + 0.5 * grey)[..., None], 3, axis=2)
