"""Executes `Deploy`: the alias itself moves when the job is committed."""

from stoker.artifacts import ModelVersion
from stoker.jobs import Deploy, DeployResult
from stoker.store import Store

from ..engine.run import Outcome


def deploy(spec: Deploy, model: ModelVersion, store: Store) -> Outcome:
    """Verify that every file of the model is whole.

    Raises:
        Corrupt: a file is not what was registered.
        Unavailable: a file cannot be read.
    """
    for artifact in model.files.values():
        store.verify(artifact)
    return Outcome(DeployResult(model=model.ref, alias=spec.alias))
