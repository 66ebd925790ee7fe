"""Renders a report as one HTML page that needs nothing beside it."""

from collections.abc import Iterable, Sequence
from importlib import resources
from string import Template

from stoker.kinds import Accuracy, Efficiency, Interval

from .document import Report
from .html import Html, lines, tag, text

_TITLES = {
    "accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1",
    "mse": "Mean squared error", "mae": "Mean absolute error", "r2": "R²",
}  # fmt: skip
_TASKS = {"binary": "two classes", "multiclass": "{} classes", "regression": "numbers"}


def render(report: Report) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    sections = [_header(report), _cards(report), _quality(report), _efficiency(report.efficiency)]
    if report.learning:
        sections.append(_training(report.learning))
    template = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.substitute(title=text(f"Evaluation of {report.model}"), body=lines(*sections))


def _header(report: Report) -> Html:
    task = _TASKS[report.task].format(len(report.accuracy.classes))
    about = f"measured on {report.data} · {report.rows:,} rows · predicts {task}"
    return lines(tag("h1", report.model), tag("p", about, class_="about"))


def _cards(report: Report) -> Html:
    intervals = report.stability.intervals
    cards = [_card(_TITLES[name], value, _between(intervals[name])) for name, value in report.metrics.items()]
    accuracy = report.accuracy
    if accuracy.roc_auc is not None:
        cards.append(_card("ROC AUC", accuracy.roc_auc, "1 ranks perfectly, 0.5 guesses"))
    if accuracy.calibration_error is not None:
        cards.append(_card("Calibration error", accuracy.calibration_error, "confidence against accuracy"))
    if report.task != "regression":
        cards.append(_card("Cross-entropy", accuracy.metrics["loss"], "the loss on these rows"))
    one = report.efficiency.latency[1]
    cards.append(_card("Milliseconds for one row", one.p50_ms, f"99th percentile: {_number(one.p99_ms)}"))
    return tag("div", lines(*cards), class_="cards")


def _quality(report: Report) -> Html:
    from . import plots  # with matplotlib, which nothing but a page needs

    accuracy, stability = report.accuracy, report.stability
    panels = []
    if accuracy.confusion:
        drawing = plots.confusion(accuracy.confusion, tuple(accuracy.classes))
        panels.append(_panel("Confusion matrix", drawing, "Shade: share of the true class's rows."))
    if accuracy.classes:
        panels.append(_panel("Per class", _class_table(accuracy)))
    if report.pairs:
        note = f"{len(report.pairs.truth):,} rows, evenly spread over the data."
        panels.append(_panel("Prediction against truth", plots.pairs(report.pairs), note))
    if report.reliability:
        note = "On the diagonal, predictions are right as often as they claim. Area of a point: its share of the rows."
        panels.append(_panel("Reliability", plots.reliability(report.reliability), note))
    if stability.noise:
        headline = "r2" if report.task == "regression" else "accuracy"
        clean, interval = report.metrics[headline], stability.intervals[headline]
        drawing = plots.noise(stability.noise, clean, interval, _TITLES[headline])
        panels.append(_panel("Robustness to noise", drawing, "Gaussian noise on every number input."))
    return _section("Accuracy and stability", panels)


def _efficiency(efficiency: Efficiency) -> Html:
    latency = [
        (f"{rows} row{'s' if rows > 1 else ''}", f"{times.p50_ms:.3g} ms", f"{times.p99_ms:.3g} ms")
        for rows, times in efficiency.latency.items()
    ]
    size = [
        ("Parameters", f"{efficiency.parameters:,}"),
        ("File", _bytes(efficiency.file_bytes)),
        ("Throughput", f"{efficiency.rows_per_s:,.0f} rows/s"),
        ("Peak memory of the process", _bytes(efficiency.peak_memory_bytes)),
    ]
    panels = [
        _panel("Latency per call", _table(("Batch", "Median", "99th percentile"), latency)),
        _panel("Size and speed", _table(("", ""), size)),
    ]
    return _section("Efficiency", panels)


def _training(learning: dict[str, tuple[float, ...]]) -> Html:
    from . import plots

    drawn = [name for name in learning if not name.startswith("val_")]
    panels = [_panel(_TITLES.get(name, name.capitalize()), plots.learning(learning, name)) for name in drawn]
    return _section("Training", panels)


def _class_table(accuracy: Accuracy) -> Html:
    rows = [
        (label, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", f"{score.support:,}")
        for label, score in accuracy.classes.items()
    ]
    return _table(("Class", "Precision", "Recall", "F1", "Rows"), rows)


def _section(title: str, panels: Iterable[str]) -> Html:
    return tag("section", tag("h2", title), tag("div", lines(*panels), class_="panels"))


def _panel(title: str, content: Html, note: str = "") -> Html:
    below = [tag("p", note, class_="note")] if note else []
    return tag("div", lines(tag("h3", title), content, *below), class_="panel")


def _card(title: str, value: float, note: str) -> Html:
    return tag("div", title, tag("b", _number(value)), tag("small", note), class_="card")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    header = [tag("tr", *(tag("th", cell) for cell in head))] if any(head) else []
    return tag("table", lines(*header, *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)))


def _between(interval: Interval) -> str:
    return f"95 %: {_number(interval.low)} to {_number(interval.high)}"


def _number(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return text.replace("-", "−")


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
