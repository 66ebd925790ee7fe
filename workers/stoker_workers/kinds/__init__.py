"""One module per job kind: from a spec and a `Run` to an `Outcome`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from stoker.kinds import Spec

from ..ml.run import Outcome, Run
from .evaluate import evaluate
from .infer import infer
from .train import train

# By kind. `deploy` needs no process of its own, and is executed within the slot.
_RUN: Mapping[str, Callable[[Any, Run], Outcome]] = MappingProxyType(
    {"train": train, "evaluate": evaluate, "infer": infer}
)


def execute(spec: Spec, run: Run) -> Outcome:
    """Do what a spec asks for, in a process of its own.

    Raises:
        Stopped: the run was asked to stop.
        InvalidJob: the spec, its data or its model is wrong.
        Unavailable: the store cannot be used.
    """
    return _RUN[spec.kind](spec, run)
