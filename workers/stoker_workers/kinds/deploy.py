"""Executes `Deploy`: the alias itself moves when the job is committed."""

from stoker.kinds import Deploy, DeployResult
from stoker.models.manifest import ModelVersion
from stoker.models.store import Store

from ..ml.run import Outcome


def deploy(spec: Deploy, model: ModelVersion, store: Store) -> Outcome:
    """Verify that every file of the model is whole.

    Raises:
        Corrupt: a file is not what was registered.
        Unavailable: a file cannot be read.
    """
    for artifact in model.files.values():
        store.verify(artifact)
    return Outcome(DeployResult(model=model.ref, alias=spec.alias))
