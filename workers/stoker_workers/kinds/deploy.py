"""Executes `Deploy`: the alias itself moves when the job is committed."""

from stoker.kinds import Deploy, DeployResult
from stoker.models.effects import MoveAlias

from ..ml.run import Outcome, Run


def run(spec: Deploy, run: Run) -> Outcome:
    """Verify that every file of the model is whole.

    Raises:
        Corrupt: a file is not what was registered.
        Unavailable: a file cannot be read.
    """
    [model] = run.models
    for artifact in model.files.values():
        run.store.verify(artifact)
    return Outcome(DeployResult(model=model.ref, alias=spec.alias), (MoveAlias(model=model.ref, alias=spec.alias),))
