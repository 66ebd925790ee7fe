"""The report of an evaluation as one HTML page."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from stoker.kinds import Accuracy, ClassScore, Efficiency, Interval, Latency, Slice, Stability
from stoker_workers.ml.evaluation.classification import Reliability
from stoker_workers.ml.evaluation.curves import curves_of
from stoker_workers.ml.evaluation.quality import Pairs
from stoker_workers.ml.evaluation.report import Report, plots, render
from stoker_workers.ml.evaluation.residuals import Residuals

EFFICIENCY = Efficiency(
    parameters=6570,
    file_bytes=112_047,
    latency={1: Latency(p50_ms=0.29, p99_ms=0.49), 32: Latency(p50_ms=0.4, p99_ms=1.25)},
    rows_per_s=356_082,
    peak_memory_bytes=673_038_336,
)


SLICES = (
    Slice(
        column="home",
        value="flat",
        rows=40,
        metrics={"accuracy": 0.5},
        intervals={"accuracy": Interval(low=0.4, high=0.6)},
        worse=("accuracy",),
    ),
    Slice(column="home", value="(missing)", rows=3, metrics={"accuracy": 0.3333}),
)


def classifier_report(
    labels: tuple[str, ...] = ("cat", "dog"), data: str = "pets.csv", slices: tuple[Slice, ...] = SLICES
) -> Report:
    score = ClassScore(precision=0.75, recall=0.625, f1=0.7, support=1234)
    count = len(labels)
    return Report(
        model="pets@3",
        data=data,
        task="binary" if count == 2 else "multiclass",
        rows=2468,
        metrics={"accuracy": 0.8125, "f1": 0.7},
        accuracy=Accuracy(
            metrics={"loss": 0.3333, "accuracy": 0.8125, "f1": 0.7},
            classes=dict.fromkeys(labels, score),
            roc_auc=0.9,
            calibration_error=0.05,
            confusion=tuple(tuple(7 * row + column for column in range(count)) for row in range(count)),
        ),
        efficiency=EFFICIENCY,
        stability=Stability(
            intervals={"accuracy": Interval(low=0.8001, high=0.8304), "f1": Interval(low=0.6, high=0.8)},
            noise={"0.1": 0.8, "0.5": 0.5},
        ),
        learning={"loss": (0.9, 0.5, 0.4), "val_loss": (1.0, 0.6, 0.5)},
        reliability=Reliability((0.5, 0.9), (0.4, 0.95), (10, 90)),
        curves=tuple(curves_of(labels, np.arange(40) % count, np.random.default_rng(0).random((40, count))).values()),
        slices=slices,
    )


def regression_report() -> Report:
    metrics = {"mse": 12345.6, "mae": 1.5, "r2": -0.25}
    return Report(
        model="houses@1",
        data="s3://bucket/houses.parquet",
        task="regression",
        rows=3,
        metrics=metrics,
        accuracy=Accuracy(metrics={"loss": 12345.6, **metrics}),
        efficiency=EFFICIENCY,
        stability=Stability(
            intervals={name: Interval(low=value, high=value) for name, value in metrics.items()}, noise={}
        ),
        learning={},
        pairs=Pairs((1.0, 2.0, 3.0), (1.5, 2.0, 2.5)),
        residuals=Residuals.of(np.array([-0.5, 0.0, 0.5])),
    )


class Page(HTMLParser):
    """A page's text, tags and attributes; every element must be closed."""

    VOID = frozenset({"meta", "br", "img", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


@pytest.fixture(scope="module")
def html() -> str:
    """A classifier's page."""
    return render(classifier_report())


def test_a_classifiers_page_shows_all_that_was_measured(html: str) -> None:
    page = Page(html)
    for shown in (
        "pets@3", "measured on pets.csv · 2,468 rows · predicts two classes", "0.8125", "95 %: 0.8001 to 0.8304",
        "ROC AUC", "0.05", "0.3333", "cat", "dog", "0.625", "1,234", "6,570", "112 kB", "673 MB", "356,082 rows/s",
        "1.25 ms", "By home", "flat", "(missing)", "With 95 % intervals; dashed: all rows. Without 1, of too few rows.",
    ):  # fmt: skip
        assert shown in page.text
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert labels == [
        *("confusion matrix", "ROC curves", "precision-recall curves", "reliability curve", "Accuracy under noise"),
        *("Accuracy with intervals", "loss by epoch"),
    ]


def test_a_regressions_page_has_a_scatter_plot_and_no_classes() -> None:
    page = Page(render(regression_report()))
    assert "12,346" in page.text
    assert "−0.25" in page.text
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert labels == ["prediction against truth", "residuals over the prediction", "histogram of residuals"]
    assert "nine of ten between −0.45 and 0.45" in page.text
    assert "Per class" not in page.text


def test_the_page_asks_nothing_of_anybody(html: str) -> None:
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "image"} & set(page.tags)
    addresses = [value for name, value in page.attributes if name in ("href", "xlink:href", "src", "style") and value]
    assert all("//" not in address and "url(http" not in address for address in addresses)
    assert "@import" not in page.text
    policy = next(value for name, value in page.attributes if name == "content" and value and "default-src" in value)
    assert policy.startswith("default-src 'none'")


def test_text_from_outside_is_never_markup() -> None:
    evil = '<script>alert("1")</script>'
    report = classifier_report(labels=(evil, "$x^2$ & 日本"), data="<img src=x onerror=alert(1)>.csv")
    slices = (SLICES[0].model_copy(update={"column": "<i>", "value": "<u>&$"}),)
    report = report.model_copy(update={"slices": slices, "learning": {'"><u>loss': (1.0, 0.5)}})
    page = Page(render(report))
    assert not {"script", "img", "u", "i"} & set(page.tags)
    assert evil in page.text
    assert page.text.count("$x^2$ & 日本") == 5  # in a table, on both axes of the confusion matrix, and at two curves
    assert "<img src=x onerror=alert(1)>.csv" in page.text


def test_plots_take_their_colours_from_the_page_so_that_they_follow_light_and_dark(html: str) -> None:
    plots = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(plots) == 7
    for plot in plots:
        assert "var(--accent)" in plot or "var(--line-1)" in plot
        assert re.findall(r"(?:fill|stroke): (#\w+)", plot) == []
    assert "prefers-color-scheme: dark" in html


def test_the_same_report_gives_the_same_page(html: str) -> None:
    assert render(classifier_report()) == html


def test_many_classes_still_fit_on_a_page() -> None:
    page = Page(render(classifier_report(labels=tuple(f"class number {number}" for number in range(50)))))
    assert "predicts 50 classes" in page.text
    assert "class number 49" in page.text


def test_a_report_survives_its_json() -> None:
    for report in (classifier_report(), regression_report()):
        assert Report.model_validate_json(report.model_dump_json()) == report


def test_text_that_would_reorder_or_hide_itself_is_shown_as_escapes() -> None:
    evil = "fdp.\u202egpj\x1b[2J\x00\u200b"
    page = render(classifier_report(labels=(evil, "dog"), data=evil))
    assert not {"\u202e", "\x1b", "\x00", "\u200b"} & set(page)
    assert "fdp.\\u202egpj\\x1b[2J\\x00\\u200b" in page


def test_plots_of_several_models_show_each_by_its_name_as_text() -> None:
    names = ("small@1", "<b>large@2")
    between = {name: Interval(low=0.8, high=0.9) for name in names}
    bubbles = [plots.Bubble(name, x=10.0**at, y=0.85, size=at, stands_out=at == 1) for at, name in enumerate(names)]
    for drawing in (
        plots.intervals(between, dict.fromkeys(names, 0.85), "Accuracy"),
        plots.trade_off(bubbles, "milliseconds", "Accuracy"),
    ):
        page = Page(drawing)
        assert all(name in page.text for name in names)
        assert "b" not in page.tags


def test_a_page_says_which_inputs_get_no_noise() -> None:
    report = regression_report()
    unsteady = report.stability.model_copy(update={"without_noise": ("plan, region (categories)",)})
    page = Page(render(report.model_copy(update={"stability": unsteady})))
    assert "Not measured, for only numbers get noise: plan, region (categories)." in page.text
