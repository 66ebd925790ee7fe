"""`stoker functions`."""

from collections.abc import Iterable

from pydantic import BaseModel

from ..client.blocking import Client
from ..fleet.topology import DEVICES, WorkDevice
from ..ledger.presence import Worker
from .output import AsJson, draw, print_json, say
from .table import Table

_HOW = "list it under `functions` in the settings of a worker, such as STOKER_FUNCTIONS='shop.jobs:*' stoker worker"


class Allowed(BaseModel):
    """A function that may be run, or `package.module:*` for all of a module; and which live workers do, by device."""

    function: str
    workers: dict[WorkDevice, list[str]]


def functions(as_json: AsJson = False) -> None:
    """List the functions of your own that live workers run, and on which workers.

    A line such as shop.jobs:* stands for every function that is written in the module shop.jobs, and for those
    decorated by stoker.job. What is not listed may be submitted and waits for a worker that allows it.

    A worker allows what its settings say: functions = ["shop.jobs:*"] in stoker.toml, or

        STOKER_FUNCTIONS='shop.jobs:*' stoker worker

    To run one: client.submit(stoker.Run("shop.jobs:train_ranker", {"weeks": 8})).
    """
    with Client() as client:
        workers = client.workers()
    allowed = _allowed(workers)
    if as_json:
        print_json(allowed)
    elif not workers:
        say("no worker runs, so no function is allowed; start one with `stoker up` or `stoker worker`")
    elif not allowed:
        say(f"no live worker allows a function; {_HOW}")
    else:
        rows = [[each.function, _devices(each), _names(each)] for each in allowed]
        draw(Table(["function", "on", "workers"], rows, cut=["function", "workers"]))


def _allowed(workers: Iterable[Worker]) -> list[Allowed]:
    """Each function once, by name."""
    by_function: dict[str, Allowed] = {}
    for worker in sorted(workers, key=lambda each: (DEVICES.index(each.device), each.name)):
        for function in worker.functions:
            allowed = by_function.setdefault(function, Allowed(function=function, workers={}))
            allowed.workers.setdefault(worker.device, []).append(worker.name)
    return [by_function[function] for function in sorted(by_function)]


def _names(allowed: Allowed) -> str:
    return ", ".join(name for names in allowed.workers.values() for name in names)


def _devices(allowed: Allowed) -> str:
    return ", ".join(f"{len(names)} {device}" for device, names in allowed.workers.items())
