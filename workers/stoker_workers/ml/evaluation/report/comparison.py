"""Renders the comparison of models as one HTML page that needs nothing beside it."""

from collections.abc import Iterator, Sequence

from stoker.kinds import ComparedModel, CompareResult
from stoker.terminal.html import Html, lines, table, tag
from stoker.terminal.printable import printable

from .parts import number, page, panel, section, size, title, warnings

_MOST_DRAWN = 8
"""Outputs whose figures are drawn; the table has all."""
# What the shares say that are the headlines.
_MEANINGS = {
    "accuracy": "of the answers are right",
    "r2": "of what differs from row to row is foretold",
    "mean_iou": "of the areas, found and true ones together, overlap",
}


def render(result: CompareResult) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    headlines = result.headlines[:_MOST_DRAWN]
    # A model alone is none among others.
    drawn = headlines if len(result.models) > 1 else ()
    drawings = [drawing for headline in drawn for drawing in _drawings(result.models, headline)]
    count = len(result.models)
    heading = "Measure of one model" if count == 1 else f"Comparison of {count} models"
    about = f"measured on {result.data} · {result.rows:,} rows{f' · {result.device}' if result.device else ''}"
    chosen = next((model for model in result.models if model.model == result.chosen), None)
    measured = (
        []
        if not result.models
        else [
            *([section("Quality against cost", drawings)] if drawings else []),
            tag("section", tag("h2", "Quality"), tag("div", _quality(result.models), class_="panel")),
            tag("section", tag("h2", "Cost"), tag("div", _costs(result.models), class_="panel")),
        ]
    )
    return page(
        heading,
        tag("h1", heading),
        tag("p", about, class_="about"),
        *([warnings(result.warnings)] if result.warnings else []),
        panel(f"Chosen: {result.chosen or 'none'}{_about(chosen) if chosen else ''}", tag("p", result.why)),
        *([_in_short(chosen, headlines, result.rows)] if chosen else []),
        *_rejected(result),
        *measured,
    )


def _in_short(chosen: ComparedModel, headlines: Sequence[str], rows: int) -> Html:
    """The chosen model in a few numbers: how good it is, how sure that is, and what it costs."""
    one = chosen.latency[1]
    memory = "" if chosen.memory_bytes is None else f"; {size(chosen.memory_bytes)} of memory"
    served = f"served from a {chosen.file_format} file" if chosen.file_format else "of the file that is served"
    by = f", computed by {chosen.engine}" if chosen.engine else ""
    cards = [_how_good(chosen, headline, rows) for headline in headlines if headline in chosen.metrics]
    cards += [
        _card("Time for one row", f"{one.p50_ms:.3g} ms", f"99 of 100 calls take at most {one.p99_ms:.3g} ms{by}"),
        _card("Size", size(chosen.file_bytes), f"{served}{memory}"),
    ]
    return tag("section", tag("h2", "In short"), tag("div", lines(*cards), class_="cards"))


def _how_good(chosen: ComparedModel, headline: str, rows: int) -> Html:
    value, around = chosen.metrics[headline], chosen.intervals.get(headline)
    meaning = _MEANINGS.get(headline.rpartition(".")[2])
    if meaning is None or around is None:
        return _card(title(headline), number(value), f"on {rows:,} rows")
    sure = f"On other rows like these it would be {_percent(around.low)} to {_percent(around.high)}, 95 times of 100."
    return _card(title(headline), _percent(value), f"{meaning}, on {rows:,} rows. {sure}")


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _card(title: str, value: str, note: str) -> Html:
    return tag("div", title, tag("b", value), tag("small", note), class_="card")


def _rejected(result: CompareResult) -> list[Html]:
    """Why others are not chosen."""
    others = [model for model in result.models if model.verdict and model.model != result.chosen]
    told = {f"{model.model}{_about(model)}": model.verdict for model in others}
    told |= {ref: f"not measured: {why.removeprefix(f'{ref} ')}" for ref, why in result.left_out.items()}
    if not told:
        return []
    reasons = [tag("li", tag("b", ref), f": {why}") for ref, why in told.items()]
    return [tag("section", tag("h2", "Not chosen, and why"), tag("div", tag("ul", lines(*reasons)), class_="panel"))]


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
    rows = [(_with(model.model, model.about), *(cell(model, name) for name in names)) for model in models]
    return table(("Model", *(title(name) for name in names)), rows)


def _costs(models: Sequence[ComparedModel]) -> Html:
    head = ("Model", "Parameters", "File", "Memory", "One row", "99th percentile", "32 rows", "Rows/s", "On the front")
    rows = [
        (
            _with(model.model, model.about),
            f"{model.parameters:,}",
            _with(size(model.file_bytes), model.file_format),
            "unknown" if model.memory_bytes is None else size(model.memory_bytes),
            _with(f"{model.latency[1].p50_ms:.3g} ms", model.engine),
            f"{model.latency[1].p99_ms:.3g} ms",
            f"{model.latency[32].p50_ms:.3g} ms",
            f"{model.rows_per_s:,.0f}",
            "yes" if model.on_front else "no",
        )
        for model in models
    ]
    return table(head, rows)


def _with(value: str, about: str) -> Html:
    """A value, and below it what it is of."""
    return lines(value, tag("small", about)) if about else lines(value)


def _about(model: ComparedModel) -> str:
    return f" ({model.about})" if model.about else ""
