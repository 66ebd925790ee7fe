"""Renders the comparison of models as one HTML page that needs nothing beside it."""

from collections.abc import Iterator, Sequence

from stoker.kinds import ComparedModel, CompareResult
from stoker.terminal.html import Html, lines, table, tag
from stoker.terminal.printable import printable

from .parts import number, page, panel, section, size, title

_MOST_DRAWN = 8
"""Outputs whose figures are drawn; the table has all."""


def render(result: CompareResult) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    drawn = result.headlines[:_MOST_DRAWN]
    drawings = [drawing for headline in drawn for drawing in _drawings(result.models, headline)]
    heading = f"Comparison of {len(result.models)} models"
    return page(
        heading,
        tag("h1", heading),
        tag("p", f"measured on {result.data} · {result.rows:,} rows", class_="about"),
        panel(f"Chosen: {result.chosen or 'none'}", tag("p", result.why)),
        section("Quality against cost", drawings),
        tag("section", tag("h2", "Quality"), tag("div", _quality(result.models), class_="panel")),
        tag("section", tag("h2", "Cost"), tag("div", _costs(result.models), class_="panel")),
    )


def _drawings(models: Sequence[ComparedModel], headline: str) -> Iterator[Html]:
    """How good an output of each model is, and what that costs."""
    from . import plots  # with matplotlib, which nothing but a page needs

    quality = printable(title(headline))
    values = {model.model: model.metrics[headline] for model in models}
    yield panel(
        f"{quality} with 95 % intervals",
        plots.intervals({model.model: model.intervals[headline] for model in models}, values, quality),
    )
    bubbles = [
        plots.Bubble(model.model, model.latency[1].p50_ms, values[model.model], model.file_bytes, model.on_front)
        for model in models
    ]
    yield panel(
        f"{quality}, speed and size",
        plots.trade_off(bubbles, "milliseconds for one row", quality),
        "Area of a point: bytes of the file. In colour: models than which no other is better in all that is compared.",
    )


def _quality(models: Sequence[ComparedModel]) -> Html:
    def cell(model: ComparedModel, name: str) -> Html:
        value, around = model.metrics.get(name), model.intervals.get(name)
        below = [tag("small", f"{number(around.low)} to {number(around.high)}")] if around else []
        return lines("" if value is None else number(value), *below)

    names = dict.fromkeys([*models[0].intervals, *(name for model in models for name in model.metrics)])
    rows = [(model.model, *(cell(model, name) for name in names)) for model in models]
    return table(("Model", *(title(name) for name in names)), rows)


def _costs(models: Sequence[ComparedModel]) -> Html:
    head = ("Model", "Parameters", "File", "Memory", "One row", "99th percentile", "32 rows", "Rows/s", "On the front")
    rows = [
        (
            model.model,
            f"{model.parameters:,}",
            size(model.file_bytes),
            "unknown" if model.memory_bytes is None else size(model.memory_bytes),
            f"{model.latency[1].p50_ms:.3g} ms",
            f"{model.latency[1].p99_ms:.3g} ms",
            f"{model.latency[32].p50_ms:.3g} ms",
            f"{model.rows_per_s:,.0f}",
            "yes" if model.on_front else "no",
        )
        for model in models
    ]
    return table(head, rows)
