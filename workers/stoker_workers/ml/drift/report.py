"""Renders what a Monitor has found as one HTML page that needs nothing beside it."""

from collections.abc import Iterator, Sequence

from stoker.terminal.html import Html, lines, table, tag

from ..evaluation.report.parts import between, card, number, page, panel, section, title, warnings
from .history import History, WindowResult
from .windows import ColumnTest

_MOST_DRAWN = 8
_MOST_ROWS = 100
_MOST_ALARMS = 50


def render(history: History) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    heading = f"Monitor of {history.model}"
    about = (
        f"{history.tested} windows of {history.reference.size:,} requests, held against {history.reference.rows:,} "
        f"rows of {history.data}"
    )
    drifted = [f"{name} has drifted" for name in history.state.drifted]
    worse = ["by its labels, the model is worse than on the reference"] if history.is_worse else []
    windows = [window for window in history.windows if window.model == history.model]
    return page(
        heading,
        tag("h1", heading),
        tag("p", about, class_="about"),
        *([warnings([*drifted, *worse])] if drifted or worse else []),
        *(
            [_in_short(history, windows[-1])]
            if windows
            else [panel("No window yet", tag("p", "Too few requests came."))]
        ),
        *([section("History", _drawings(history, windows))] if windows else []),
        *([_columns(windows[-1])] if windows else []),
        _alarms(history),
    )


def _in_short(history: History, last: WindowResult) -> Html:
    cards = []
    gate = history.gate.measured
    before = "" if gate is None else f"; {number(gate.value)} on the reference ({between(gate.interval)})"
    if last.measured:
        note = f"of {last.measured.rows:,} labels, {between(last.measured.interval)}{before}"
        cards.append(card(f"{title(last.measured.metric)} by labels", last.measured.value, note))
    if last.estimate is not None:
        off = history.gate.calibration_error
        sure = (
            "how far that is to be believed is unknown"
            if off is None
            else f"on the reference it is off by {number(off)}"
        )
        cards.append(card("Accuracy, estimated", last.estimate, f"the mean probability of what it predicts; {sure}"))
    cards.append(card("Label coverage", last.labels / max(last.kept, 1), f"{last.labels:,} of {last.kept:,} answers"))
    if last.latency_ms is not None:
        cards.append(card("Milliseconds", last.latency_ms, "to compute the batch that a request was in, median"))
    dropped = (
        f"; {last.dropped:,} rows were dropped, for windows came faster than they were tested" if last.dropped else ""
    )
    return tag(
        "section", tag("h2", "In short"), tag("div", lines(*cards), class_="cards"),
        tag("p", f"Window {last.number}, {last.at:%Y-%m-%d %H:%M} UTC{dropped}", class_="note"),
    )  # fmt: skip


def _drawings(history: History, windows: Sequence[WindowResult]) -> Iterator[Html]:
    from . import plots  # with matplotlib, which nothing but a page needs

    numbers = [window.number for window in windows]
    ranked = sorted({test.column for test in windows[-1].tests}, key=lambda name: -(_share(windows[-1], name) or 0))
    of = {name: [_share(window, name) for window in windows] for name in ranked[:_MOST_DRAWN]}
    if of:
        yield panel(
            "Distance from the reference",
            plots.distances(numbers, of),
            "Of the columns that are furthest from it. Above 1 a column is further away than chance leads in 999 of "
            "1,000 windows; what is so in two windows running, matters and passes a test of all columns is drift.",
        )
    measured = [window.measured for window in windows]
    estimates = [window.estimate for window in windows]
    if any(measured) or any(estimate is not None for estimate in estimates):
        gate = history.gate.measured
        metric = next((each.metric for each in measured if each), gate.metric if gate else "accuracy")
        drawn = plots.performance(
            numbers,
            [each.value if each else None for each in measured],
            [each.interval.low if each else None for each in measured],
            [each.interval.high if each else None for each in measured],
            estimates if metric == "accuracy" else [None] * len(windows),
            gate.value if gate else None,
            title(metric),
        )
        yield panel(title(metric), drawn, "By the newest labels that had come, with 95 % intervals.")


def _share(window: WindowResult, column: str) -> float | None:
    """The largest distance of a column, as a share of its limit."""
    shares = [test.distance / max(test.limit, 1e-9) for test in window.tests if test.column == column]
    return max(shares, default=None)


def _columns(last: WindowResult) -> Html:
    rows = [
        (_of(test), number(test.distance), number(test.limit), f"{test.p:.2g}", number(test.js),
         tag("b", "differs") if test.differs else "")
        for test in sorted(last.tests, key=lambda test: (not test.differs, test.p))[:_MOST_ROWS]
    ]  # fmt: skip
    head = ("Column", "Distance", "By chance at most", "p", "Jensen-Shannon", "")
    return tag("section", tag("h2", "The last window"), tag("div", table(head, rows), class_="panel"))


def _of(test: ColumnTest) -> str:
    return f"{test.column}: missing" if test.of == "missing" else test.column


def _alarms(history: History) -> Html:
    rows = [
        (f"{alarm.at:%Y-%m-%d %H:%M}", alarm.what, alarm.text) for alarm in reversed(history.alarms[-_MOST_ALARMS:])
    ]
    content = table(("When, UTC", "What", "Found"), rows) if rows else tag("p", "None was raised.")
    return tag("section", tag("h2", "Alarms"), tag("div", content, class_="panel"))
