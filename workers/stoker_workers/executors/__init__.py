"""One module per job kind: from a spec and a `Run` to an `Outcome`."""

from stoker.jobs import Deploy, Evaluate, Infer, Spec, Train

from ..engine.run import Outcome, Run
from .deploy import deploy
from .evaluate import evaluate
from .infer import infer
from .train import train


def execute(spec: Spec, run: Run) -> Outcome:
    """Do what a spec asks for.

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
        case Deploy():
            return deploy(spec, run)
        case Infer():
            return infer(spec, run)
