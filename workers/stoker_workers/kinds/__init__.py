"""One module per job kind: from a spec and a `Run` to an `Outcome`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from stoker.kinds import Spec

from ..ml.run import Outcome, Run
from . import compare, deploy, describe, evaluate, explain, export, import_model, infer, monitor, optimize, train, tune
from . import run as run_function

_RUN: Mapping[str, Callable[[Any, Run], Outcome]] = MappingProxyType(
    {
        "train": train.run,
        "evaluate": evaluate.run,
        "deploy": deploy.run,
        "infer": infer.run,
        "compare": compare.run,
        "describe": describe.run,
        "run": run_function.run,
        "import": import_model.run,
        "optimize": optimize.run,
        "explain": explain.run,
        "tune": tune.run,
        "export": export.run,
        "monitor": monitor.run,
    }
)
# How the attempt runs that has the results of the job's children.
_GATHER: Mapping[str, Callable[[Any, Run], Outcome]] = MappingProxyType(
    {"infer": infer.gather, "train": train.gather, "run": run_function.run, "tune": tune.run}
)


def execute(spec: Spec, run: Run) -> Outcome:
    """Run a job.

    Raises:
        Stopped: the run was asked to stop.
        Children: it submits children first.
        Wait: it goes on later.
        InvalidJob: the spec, its data or its model is wrong.
        Unavailable: the store cannot be used.
    """
    return (_GATHER if run.children else _RUN)[spec.kind](spec, run)
