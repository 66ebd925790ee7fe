"""Executes `Deploy`: the alias itself moves when the job is committed."""

from stoker.jobs import Deploy, DeployResult

from ..engine.run import Outcome, Run


def deploy(spec: Deploy, run: Run) -> Outcome:
    """Verify that every file of the model is whole.

    Raises:
        Corrupt: a file is not what was registered.
        Unavailable: a file cannot be read.
    """
    assert run.model is not None, "a deploy job names a model"
    for artifact in run.model.files.values():
        run.store.fetch(artifact, run.scratch)
    return Outcome(DeployResult(model=run.model.ref, alias=spec.alias))
