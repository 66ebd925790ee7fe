"""A training's metrics by epoch: a chart for each, and all of them as a table."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from ...events import Epoch, Event
from ...terminal.html import Html, tag
from .charts import Points, chart
from .page import listed, section

_OF_VALIDATION = "val_"


def curves(events: Sequence[Event]) -> Html:
    """The curves of a job; nothing for one that has none. Training and validation share a chart."""
    # What is trained again after a loss takes the place of what was before.
    newest = {event.epoch: event for event in events if isinstance(event, Epoch)}
    epochs = {number: newest[number] for number in sorted(newest)}
    names = sorted({name for event in epochs.values() for name in event.metrics}, key=_place)
    if not names:
        return Html("")
    charts = [chart(base, {name: _points(epochs, name) for name in group}) for base, group in groupby(names, _base)]
    rows = [(str(at), *(_value(event, name) for name in names), _speed(event)) for at, event in epochs.items()]
    table = listed("Metrics by epoch", ("Epoch", *names, "Rows a second"), rows, none="")
    as_table = tag("details", tag("summary", "As a table"), table, id="table-of-curves")
    return section("Curves", tag("div", *charts, class_="charts"), as_table)


def _points(epochs: Mapping[int, Epoch], name: str) -> Points:
    return [(float(at), event.metrics[name]) for at, event in epochs.items() if name in event.metrics]


def _base(name: str) -> str:
    return name.removeprefix(_OF_VALIDATION)


def _place(name: str) -> tuple[str, str]:
    return _base(name), name


def _value(event: Epoch, name: str) -> str:
    return f"{event.metrics[name]:.5g}" if name in event.metrics else ""


def _speed(event: Epoch) -> str:
    return f"{event.rows_per_s:,.0f}" if event.rows_per_s else ""
