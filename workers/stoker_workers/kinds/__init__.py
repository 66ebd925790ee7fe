"""One module per job kind: from a spec and a `Run` to an `Outcome`."""

from stoker.kinds import Evaluate, Infer, Train

from ..ml.run import Outcome, Run
from .evaluate import evaluate
from .infer import infer
from .train import train


def execute(spec: Train | Evaluate | Infer, run: Run) -> Outcome:
    """Do what a spec asks for, in a process of its own. (`deploy` needs none.)

    Raises:
        Stopped: the run was asked to stop.
        InvalidJob: the spec, its data or its model is wrong.
        Unavailable: the store cannot be used.
    """
    match spec:
        case Train():
            return train(spec, run)
        case Evaluate():
            return evaluate(spec, run)
        case Infer():
            return infer(spec, run)
