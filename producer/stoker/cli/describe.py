"""`stoker describe`."""

import re
from typing import Annotated

import typer

from ..client.blocking import Client
from ..kinds import Describe
from ..models.store import Store
from .job_file import read_value
from .live import result_of, show_result
from .output import AsJson, print_json

_MAPPING = re.compile(r"\s*\{.*:.*\}\s*", re.DOTALL)


def describe(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="What `data` is in a job: a file, pattern, URL or sample://… set, or a mapping as in '{ref: a.txt, "
            'format: csv, decimal: ","}\'.',
            show_default=False,
        ),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="The column that shall be predicted, once for each; if left out, the one named target, label, class "
            "or y."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a data set holds before a model is trained on it.

    For each column: what it is taken for and why, missing and different values, range or commonest values. For each
    target: the task that it asks for. Warnings tell of columns that are left out or give the target away, of duplicate
    rows, of classes out of balance.

        stoker describe sales.csv --target price

    A worker reads every row, once. The same from Python: client.submit(stoker.Describe(data="sales.csv")).
    """
    with Client() as client:
        described = read_value("DATA", data) if _MAPPING.fullmatch(data) else data
        job = client.submit(Describe(data=described, target=tuple(target) if target else None))
        result = result_of(client, job, quiet=as_json)
        if as_json:
            print_json(result)
        else:
            show_result(result, Store(client.settings.store_place))
