"""What the pages of reports are built of."""

from collections.abc import Iterable
from importlib import resources
from string import Template

from stoker.kinds import Interval
from stoker.terminal.html import Html, lines, tag, text

TITLES = {
    "accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1",
    "micro_f1": "F1 of all labels together",
    "mse": "Mean squared error", "rmse": "Root mean squared error", "mae": "Mean absolute error", "r2": "R²",
    "error": "Mean squared error in standard deviations",
    "mean_iou": "Mean IoU", "loss": "Loss", "roc_auc": "ROC AUC", "average_precision": "Average precision",
    "calibration_error": "Calibration error",
}  # fmt: skip
"""Metrics as a page calls them."""


def title(metric: str) -> str:
    """A metric as a page calls it; of one of several outputs behind its name."""
    output, dot, name = metric.rpartition(".")
    if dot and name in TITLES:
        return f"{output}: {TITLES[name]}"
    return TITLES.get(metric, metric.capitalize())


def page(title: str, *sections: Html) -> str:
    """A whole page that needs nothing beside it: no script, no request to anywhere."""
    template = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.substitute(title=text(title), body=lines(*sections))


def section(title: str, panels: Iterable[str]) -> Html:
    """Panels under a heading."""
    return tag("section", tag("h2", title), tag("div", lines(*panels), class_="panels"))


def panel(title: str, content: Html, note: str = "") -> Html:
    """A plot or a table with its title, and what is to be known to read it."""
    below = [tag("p", note, class_="note")] if note else []
    return tag("div", lines(tag("h3", title), content, *below), class_="panel")


def warnings(texts: Iterable[str]) -> Html:
    """What a reader should know before all else."""
    return panel("Look at this first", tag("ul", lines(*(tag("li", each) for each in texts))))


def card(title: str, value: float, note: str) -> Html:
    """One number, large."""
    return tag("div", title, tag("b", number(value)), tag("small", note), class_="card")


def between(interval: Interval) -> str:
    """A 95 % interval in words."""
    return f"95 %: {number(interval.low)} to {number(interval.high)}"


def number(value: float) -> str:
    """A number as a reader wants it: four digits, or all before the point."""
    words = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return words.replace("-", "−")


def size(count: float) -> str:
    """Bytes in the unit that fits."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
