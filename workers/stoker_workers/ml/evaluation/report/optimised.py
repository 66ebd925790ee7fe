"""Renders an optimisation as one HTML page that needs nothing beside it."""

from collections.abc import Iterator

from stoker.kinds import ComparedModel, OptimizeResult
from stoker.terminal.html import Html, lines, table, tag
from stoker.terminal.printable import printable

from .parts import card, number, page, panel, section, size, title


def render(result: OptimizeResult) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    heading = f"{result.parent} as {result.form}"
    sections = [
        tag("h1", heading),
        tag("p", f"measured on {result.data} · {result.rows:,} rows", class_="about"),
        tag("div", lines(*_cards(result)), class_="cards"),
        panel("What was done, and why", lines(tag("p", f"{result.done}."), tag("p", result.why))),
        tag("section", tag("h2", "Before and after"), tag("div", _figures(result), class_="panel")),
        section("Quality", _drawings(result)),
    ]
    if result.failed:
        failed = tag("div", table(("", ""), list(result.failed.items())), class_="panel")
        sections.append(tag("section", tag("h2", "Could not be made"), failed))
    return page(heading, *sections)


def _cards(result: OptimizeResult) -> Iterator[Html]:
    """What it brings, in a few large numbers."""
    before, after = result.before, result.after
    name = title(result.headline)
    yield card(name, after.metrics[result.headline], f"before: {number(before.metrics[result.headline])}")
    bytes_told = f"{size(after.file_bytes)} of {size(before.file_bytes)}"
    yield card("Of the bytes", after.file_bytes / before.file_bytes, bytes_told)
    one, was = after.latency[1].p50_ms, before.latency[1].p50_ms
    yield card("Of the time for one row", one / was, f"{one:.3g} ms of {was:.3g} ms")


def _figures(result: OptimizeResult) -> Html:
    """All that was measured, a column for each model."""
    models = {f"{result.parent}, before": result.before, **{each.form: each.model for each in result.tried}}
    rows = [
        (title(result.headline), *(_quality(each, result.headline) for each in models.values())),
        ("File that is served", *(size(each.file_bytes) for each in models.values())),
        ("Parameters", *(f"{each.parameters:,}" for each in models.values())),
        ("One row", *(f"{each.latency[1].p50_ms:.3g} ms" for each in models.values())),
        ("One row, 99th percentile", *(f"{each.latency[1].p99_ms:.3g} ms" for each in models.values())),
        ("32 rows", *(f"{each.latency[32].p50_ms:.3g} ms" for each in models.values())),
        ("Rows/s", *(f"{each.rows_per_s:,.0f}" for each in models.values())),
        ("Memory", *(_memory(each) for each in models.values())),
        ("On the front", *("yes" if each.on_front else "no" for each in models.values())),
    ]
    return table(("", *models), rows)


def _quality(model: ComparedModel, headline: str) -> Html:
    around = model.intervals.get(headline)
    below = [tag("small", f"{number(around.low)} to {number(around.high)}")] if around else []
    return lines(number(model.metrics[headline]), *below)


def _memory(model: ComparedModel) -> str:
    return "unknown" if model.memory_bytes is None else size(model.memory_bytes)


def _drawings(result: OptimizeResult) -> Iterator[Html]:
    from . import plots  # with matplotlib, which nothing but a page needs

    models = {result.parent: result.before, **{each.form: each.model for each in result.tried}}
    quality = printable(title(result.headline))
    values = {name: each.metrics[result.headline] for name, each in models.items()}
    around = {name: each.intervals[result.headline] for name, each in models.items()}
    yield panel(f"{quality} with 95 % intervals", plots.intervals(around, values, quality))
    bubbles = [
        plots.Bubble(name, each.latency[1].p50_ms, values[name], each.file_bytes, each.on_front)
        for name, each in models.items()
    ]
    yield panel(
        f"{quality}, speed and size",
        plots.trade_off(bubbles, "milliseconds for one row", quality),
        "Area of a point: bytes of the file that is served. In colour: nothing is at least as good and costs less.",
    )
