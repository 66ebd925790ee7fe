"""`stoker describe`."""

from typing import Annotated

import typer

from ..client.blocking import Client
from ..events import Log, Progress
from ..kinds import Describe
from ..models.store import Store
from .live import follow, show_result
from .output import AsJson, console, print_json, say


def describe(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A file, pattern, URL or sample://… set: what `data` is in a job.", show_default=False
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(help="The column that shall be predicted; if left out, the one named target, label, class or y."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a data set holds before a model is trained on it.

    For each column: what it is taken for and why, missing and different values, range or commonest values. For the
    target: the task that it asks for. Warnings tell of columns that are left out or give the target away, of duplicate
    rows, of classes out of balance.

        stoker describe sales.csv --target price

    A worker reads every row, once. The same from Python: client.submit(stoker.Describe(data="sales.csv")).
    """
    with Client() as client:
        job = client.submit(Describe(data=data, target=target))
        if not as_json:
            device = job.status().queue.partition(".")[0]
            if device not in {worker.device for worker in client.workers()}:
                say((f"no {device} worker is running:", "yellow"), " start one with `stoker worker`")
            try:
                follow((event for event in job.events() if isinstance(event, Progress | Log)), console())
            except KeyboardInterrupt:
                job.cancel()
                say()
                say(f"job {job.id} is cancelled")
                raise typer.Exit(1) from None
        result = job.result()
        if as_json:
            print_json(result)
        else:
            show_result(result, Store(client.settings.store))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Jobs")(describe)
