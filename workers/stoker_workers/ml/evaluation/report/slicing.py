"""The section that shows how good predictions are on slices of the data."""

from collections.abc import Iterator, Mapping, Sequence

from stoker.kinds import Slice
from stoker.terminal.html import Html, lines, tag

from .parts import TITLES, number, panel, section

_SHORT = {"mse": "MSE", "rmse": "RMSE", "mae": "MAE"}


def slices_section(slices: Sequence[Slice], overall: Mapping[str, float]) -> Html:
    """A table and plots for each column.

    Args:
        overall: the metrics of all rows.
    """
    panels: list[Html] = []
    for column in dict.fromkeys(each.column for each in slices):
        own = [each for each in slices if each.column == column]
        panels += [_table_panel(column, own), *_plot_panels(column, own, overall)]
    return section("Slices", panels)


def _table_panel(column: str, slices: Sequence[Slice]) -> Html:
    names = list(slices[0].metrics)
    head = tag(
        "tr",
        *(
            tag("th", cell)
            for cell in (column, "Rows", *(_SHORT.get(name) or TITLES.get(name, name) for name in names))
        ),
    )
    rows = [
        tag(
            "tr",
            *(tag("td", cell) for cell in (each.value, f"{each.rows:,}")),
            *(tag("td", number(each.metrics[name])) for name in names),
            class_="worse" if each.worse else "",
        )
        for each in slices
    ]
    note = "In bold: clearly worse than all other rows." if any(each.worse for each in slices) else ""
    return panel(f"By {column}", tag("table", lines(head, *rows)), note)


def _plot_panels(column: str, slices: Sequence[Slice], overall: Mapping[str, float]) -> Iterator[Html]:
    from . import plots  # with matplotlib, which nothing but a page needs

    for metric in dict.fromkeys(name for each in slices for name in each.intervals):
        shown = {each.value: each for each in slices if metric in each.intervals}
        drawing = plots.intervals(
            {name: each.intervals[metric] for name, each in shown.items()},
            {name: each.metrics[metric] for name, each in shown.items()},
            TITLES.get(metric, metric),
            overall[metric],
        )
        few = len(slices) - len(shown)
        note = f"With 95 % intervals; dashed: all rows.{f' Without {few}, of too few rows.' if few else ''}"
        yield panel(f"{TITLES.get(metric, metric)} by {column}", drawing, note)
