"""Lines over epochs as SVG: readable without a script, and by colour, dash and name."""

import math
from collections.abc import Mapping, Sequence

from ...terminal.html import Html, tag

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT = 560.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 12.0, 12.0, 28.0
# So many points are told one by one, by a title that a browser shows.
_MOST_DOTS = 120
_TICKS = 4
_MOST = 1e300
_LINES = 6


def chart(title: str, lines: Mapping[str, Points], *, over: str = "epoch") -> Html:
    """Lines with axes, a legend, and the newest values; what no axis can hold is left out."""
    shown = {name: [point for point in points if all(map(_is_shown, point))] for name, points in lines.items()}
    shown = {name: points for name, points in shown.items() if points}
    if not shown:
        return Html("")
    frame = _Frame([point for points in shown.values() for point in points])
    parts: list[str] = [tag("title", f"{title} over {over}s"), *frame.axes()]
    for place, (name, points) in enumerate(shown.items()):
        parts += _line(frame, name, points, over, f"line{place % _LINES}")
    picture = tag("svg", *parts, viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", role="img", class_="chart")
    legend = tag(
        "figcaption", tag("b", title), *(_key(name, points, at) for at, (name, points) in enumerate(shown.items()))
    )
    return tag("figure", legend, picture)


def _is_shown(value: float) -> bool:
    """Whether an axis can hold a number: it is finite, and so is how far it may be from another."""
    return abs(value) <= _MOST


def _line(frame: "_Frame", name: str, points: Points, over: str, kind: str) -> list[Html]:
    places = [frame.place(point) for point in points]
    line = tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_=kind)
    if len(points) > _MOST_DOTS:
        return [line]
    dots = [
        tag(
            "circle",
            tag("title", f"{over} {at:g}: {name} {value:.5g}"),
            cx=f"{x:.1f}",
            cy=f"{y:.1f}",
            r="3",
            class_=kind,
        )
        for (x, y), (at, value) in zip(places, points, strict=True)
    ]
    return [line, *dots]


def _key(name: str, points: Points, at: int) -> Html:
    return tag("span", f"{name} ", tag("b", f"{points[-1][1]:.4g}"), class_=f"key line{at % _LINES}")


class _Frame:
    """Where points lie in a picture: the axes begin and end at round numbers."""

    def __init__(self, points: Points) -> None:
        self._xs = _range([x for x, _ in points])
        self._ys = _range([y for _, y in points])

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        """Of a point."""
        (x, y), (left, right), (low, high) = point, self._xs, self._ys
        across = (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        up = (y - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + across, _HEIGHT - _BOTTOM - up

    def axes(self) -> list[Html]:
        """Lines and numbers of both."""
        made = []
        for value in _ticks(*self._ys):
            _, y = self.place((self._xs[0], value))
            made.append(_grid(_LEFT, y, _WIDTH - _RIGHT, y))
            made.append(_number(value, _LEFT - 6, y + 4, "end"))
        for value in _ticks(*self._xs, least=1.0):
            x, _ = self.place((value, self._ys[0]))
            made.append(_number(value, x, _HEIGHT - 8, "middle"))
        return made


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    # A line that is level lies in the middle.
    around = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return low - around, high + around


def _ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Round numbers between two others, so far from each other at least."""
    step = 10.0 ** math.floor(math.log10((high - low) / _TICKS))
    step *= next(each for each in (1, 2, 5, 10) if (high - low) / (each * step) <= _TICKS)
    step = max(step, least)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _grid(x1: float, y1: float, x2: float, y2: float) -> Html:
    places = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return tag("line", class_="grid", **{name: f"{value:.1f}" for name, value in places.items()})


def _number(value: float, x: float, y: float, anchor: str) -> Html:
    return tag("text", f"{value:.4g}", x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def bar(what: str, share: float) -> Html:
    """A share from 0 to 1 as a bar."""
    return tag("meter", "", min="0", max="1", value=f"{share:.4f}", aria_label=f"{what}: {share:.1%}")


def signed_bar(what: str, share: float) -> Html:
    """A share from -1 to 1 as a bar from the middle: to the right what adds, to the left what takes away."""
    width = abs(share) * 50
    parts = [
        tag("rect", x=f"{50 - width if share < 0 else 50:.1f}", y="1", width=f"{width:.1f}", height="6"),
        tag("line", x1="50", x2="50", y1="0", y2="8"),
    ]
    kind = "takes" if share < 0 else "adds"
    words = f"{what}: {kind} {abs(share):.0%} of the most"
    return tag("svg", *parts, viewBox="0 0 100 8", role="img", class_=f"signed {kind}", aria_label=words)
