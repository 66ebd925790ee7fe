"""Renders a report as one HTML page that needs nothing beside it."""

from stoker.kinds import Accuracy, Efficiency

from .document import Report
from .html import Html, lines, tag
from .parts import TITLES, between, card, number, page, panel, section, size, table, warnings

_TASKS = {
    "binary": "two classes",
    "multiclass": "{} classes",
    "regression": "numbers",
    "pixels": "pixels of {} classes",
}


def render(report: Report) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    first = [warnings(report.warnings)] if report.warnings else []
    sections = [_header(report), *first, _cards(report), _quality(report), _efficiency(report.efficiency)]
    if report.learning:
        sections.append(_training(report.learning))
    return page(f"Evaluation of {report.model}", *sections)


def _header(report: Report) -> Html:
    task = _TASKS[report.task].format(len(report.accuracy.classes))
    about = f"measured on {report.data} · {report.rows:,} rows · predicts {task}"
    return lines(tag("h1", report.model), tag("p", about, class_="about"))


def _cards(report: Report) -> Html:
    intervals = report.stability.intervals
    cards = [card(TITLES.get(name, name), value, between(intervals[name])) for name, value in report.metrics.items()]
    accuracy = report.accuracy
    if accuracy.roc_auc is not None:
        cards.append(card("ROC AUC", accuracy.roc_auc, "1 ranks perfectly, 0.5 guesses"))
    if accuracy.calibration_error is not None:
        cards.append(card("Calibration error", accuracy.calibration_error, "confidence against accuracy"))
    if report.task != "regression":
        cards.append(card("Cross-entropy", accuracy.metrics["loss"], "the loss on these rows"))
    one = report.efficiency.latency[1]
    cards.append(card("Milliseconds for one row", one.p50_ms, f"99th percentile: {number(one.p99_ms)}"))
    return tag("div", lines(*cards), class_="cards")


def _quality(report: Report) -> Html:
    from . import plots  # with matplotlib, which nothing but a page needs

    accuracy, stability = report.accuracy, report.stability
    panels = []
    if accuracy.confusion:
        drawing = plots.confusion(accuracy.confusion, tuple(accuracy.classes))
        panels.append(panel("Confusion matrix", drawing, "Shade: share of the true class's rows."))
    if accuracy.classes:
        panels.append(panel("Per class", _class_table(accuracy)))
    if report.pairs:
        note = f"{len(report.pairs.truth):,} rows, evenly spread over the data."
        panels.append(panel("Prediction against truth", plots.pairs(report.pairs), note))
    if report.reliability:
        note = "On the diagonal, predictions are right as often as they claim. Area of a point: its share of the rows."
        panels.append(panel("Reliability", plots.reliability(report.reliability), note))
    if stability.noise:
        headline = "r2" if report.task == "regression" else "accuracy"
        clean, interval = report.metrics[headline], stability.intervals[headline]
        drawing = plots.noise(stability.noise, clean, interval, TITLES[headline])
        panels.append(panel("Robustness to noise", drawing, "Gaussian noise on every number input."))
    return section("Accuracy and stability", panels)


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
    panels = [panel(TITLES.get(name, name.capitalize()), plots.learning(learning, name)) for name in drawn]
    return section("Training", panels)


def _class_table(accuracy: Accuracy) -> Html:
    rows = [
        (label, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", f"{score.support:,}")
        for label, score in accuracy.classes.items()
    ]
    return table(("Class", "Precision", "Recall", "F1", "Rows"), rows)
