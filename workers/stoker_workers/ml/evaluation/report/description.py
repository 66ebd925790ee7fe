"""Renders the description of a data set as one HTML page that needs nothing beside it."""

from stoker.kinds import DescribedColumn, DescribedTarget, DescribeResult
from stoker.kinds.describe import percent
from stoker.terminal.html import Html, lines, table, tag

from .bars import histogram, shares
from .parts import number, page, panel, section, warnings

_MOST_PANELS = 300
"""Columns that a page shows; the report in JSON has all."""


def render(result: DescribeResult) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    title = f"{result.rows:,} rows of {len(result.columns)} columns"
    shown = result.columns[:_MOST_PANELS]
    sections = [lines(tag("h1", title), tag("p", result.data, class_="about"))]
    if result.notes:
        sections.append(panel("How it was read", tag("ul", lines(*(tag("li", note) for note in result.notes)))))
    if result.warnings:
        sections.append(warnings(result.warnings))
    sections += [_target(target) for target in result.targets if target.task]
    if result.together:
        sections.append(tag("p", result.together, class_="note"))
    sections.append(section("Columns", [_column(column, result.rows) for column in shown]))
    if len(shown) < len(result.columns):
        sections.append(tag("p", f"The first {len(shown)} columns; the report in JSON has all.", class_="note"))
    return page(title, *sections)


def _target(target: DescribedTarget) -> Html:
    return panel(f"Target {target.name}: {target.task}", tag("p", target.why), target.doubt or "")


def _column(column: DescribedColumn, rows: int) -> Html:
    facts = [
        ("Read as", " × ".join([column.dtype, *map(str, column.shape)])),
        ("Missing", f"{column.missing:,} ({percent(column.missing / max(rows, 1))})" if column.missing else "none"),
    ]
    if column.distinct is not None:
        facts.append(("Different values", f"{'' if column.exact else 'more than '}{column.distinct:,}"))
    measures = {"Lowest": column.low, "Mean": column.mean, "Median": column.median, "Highest": column.high}
    facts += [(name, _text(value)) for name, value in measures.items() if value is not None]
    if column.examples and not column.commonest:
        facts.append(("Examples", ", ".join(column.examples)))
    note = column.why if column.warning is None else f"{column.why}; {column.warning}"
    return panel(
        f"{column.name or '(no name)'}: {column.kind}", lines(*_drawing(column, rows), table(("", ""), facts)), note
    )


def _drawing(column: DescribedColumn, rows: int) -> list[Html]:
    if column.histogram and column.low is not None and column.high is not None:
        counts = column.histogram.counts
        return [histogram(counts, _text(column.low), _text(column.high), f"histogram of {column.name}")]
    return [shares(column.commonest, rows - column.missing)] if column.commonest else []


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)
