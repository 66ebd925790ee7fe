"""Renders a report as one HTML page that needs nothing beside it."""

from collections.abc import Iterator

from stoker.kinds import Efficiency
from stoker.terminal.html import Html, lines, table, tag, text

from ..quality import Drawn
from .document import Report
from .parts import TITLES, between, card, number, page, panel, section, size, title, warnings
from .quality import quality_panels
from .slicing import slices_section

_TASKS = {
    "binary": "two classes",
    "multiclass": "{} classes",
    "multilabel": "{} labels, several of which may hold at once",
    "regression": "numbers",
    "pixels": "pixels of {} classes",
    "reconstruction": "what it takes",
    "several": "several outputs",
}


def render(report: Report) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    first = [warnings(report.warnings)] if report.warnings else []
    sections = [_header(report), *first, _cards(report), *_quality(report), *_outputs(report)]
    if report.mistakes:
        sections.append(_mistakes(report))
    if report.slices:
        sections.append(slices_section(report.slices, report.metrics))
    sections.append(_efficiency(report.efficiency))
    if report.learning:
        sections.append(_training(report.learning))
    return page(f"Evaluation of {report.model}", *sections)


def _header(report: Report) -> Html:
    task = _TASKS[report.task].format(len(report.accuracy.classes))
    about = f"measured on {report.data} · {report.rows:,} rows · predicts {task}"
    return lines(tag("h1", report.model), tag("p", about, class_="about"))


def _cards(report: Report) -> Html:
    intervals = report.stability.intervals
    cards = [card(title(name), value, between(intervals[name])) for name, value in report.metrics.items()]
    accuracy = report.accuracy
    if accuracy.roc_auc is not None:
        cards.append(card("ROC AUC", accuracy.roc_auc, "1 ranks perfectly, 0.5 guesses"))
    if accuracy.average_precision is not None:
        cards.append(card("Average precision", accuracy.average_precision, "of the precision-recall curve"))
    if accuracy.calibration_error is not None:
        cards.append(card("Calibration error", accuracy.calibration_error, "confidence against accuracy"))
    if report.task not in ("regression", "reconstruction", "several"):
        cards.append(card("Cross-entropy", accuracy.metrics["loss"], "the loss on these rows"))
    one = report.efficiency.latency[1]
    cards.append(card("Milliseconds for one row", one.p50_ms, f"99th percentile: {number(one.p99_ms)}"))
    return tag("div", lines(*cards), class_="cards")


def _quality(report: Report) -> Iterator[Html]:
    each = "label" if report.task == "multilabel" else "class"
    panels = [*quality_panels(report, report.accuracy, each)]
    if report.stability.noise:
        panels.append(_noise(report))
    elif report.stability.without_noise:
        told = f"Not measured, for only numbers get noise: {'; '.join(report.stability.without_noise)}."
        panels.append(panel("Robustness to noise", tag("p", told)))
    if panels:
        yield section("Accuracy and stability", panels)


def _outputs(report: Report) -> Iterator[Html]:
    """A section for each of several outputs, or columns of numbers."""
    for name, accuracy in report.accuracy.outputs.items():
        figures = [(title(metric), number(value)) for metric, value in accuracy.metrics.items()]
        each = "class" if accuracy.calibration_error is not None else "label"
        drawn = report.outputs.get(name, Drawn())
        yield section(name, [panel("Metrics", table(("", ""), figures)), *quality_panels(drawn, accuracy, each)])


def _noise(report: Report) -> Html:
    from . import plots  # with matplotlib, which nothing but a page needs

    stability = report.stability
    headline = "r2" if report.task in ("regression", "reconstruction") else "accuracy"
    clean, interval = report.metrics[headline], stability.intervals[headline]
    drawing = plots.noise(stability.noise, clean, interval, TITLES[headline])
    without = f" None on {'; '.join(stability.without_noise)}." if stability.without_noise else ""
    return panel("Robustness to noise", drawing, f"Gaussian noise on every number input.{without}")


def _mistakes(report: Report) -> Html:
    figures = [
        tag(
            "figure",
            Html(f'<img alt="row {each.row}" src="data:image/png;base64,{text(each.png)}">'),
            tag("figcaption", each.truth, tag("small", f"taken for {each.predicted}, {each.probability:.0%}")),
        )
        for each in report.mistakes
    ]
    note = "Wrong, and surest of it: the true class, what it was taken for, and how probable that seemed."
    content = lines(tag("div", lines(*figures), class_="pictures"), tag("p", note, class_="note"))
    return tag("section", tag("h2", "Worst mistakes"), tag("div", content, class_="panel"))


def _efficiency(efficiency: Efficiency) -> Html:
    latency = [
        (f"{rows} row{'s' if rows > 1 else ''}", f"{times.p50_ms:.3g} ms", f"{times.p99_ms:.3g} ms")
        for rows, times in efficiency.latency.items()
    ]
    weight = [
        ("Parameters", f"{efficiency.parameters:,}"),
        ("File", size(efficiency.file_bytes)),
        ("Throughput", f"{efficiency.rows_per_s:,.0f} rows/s"),
        ("Peak memory of the process", size(efficiency.peak_memory_bytes)),
    ]
    panels = [
        panel("Latency per call", table(("Batch", "Median", "99th percentile"), latency)),
        panel("Size and speed", table(("", ""), weight)),
    ]
    return section("Efficiency", panels)


def _training(learning: dict[str, tuple[float, ...]]) -> Html:
    from . import plots

    drawn = [name for name in learning if not name.startswith("val_")]
    panels = [panel(title(name), plots.learning(learning, name)) for name in drawn]
    return section("Training", panels)
