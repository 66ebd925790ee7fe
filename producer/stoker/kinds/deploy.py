"""The `Deploy` job: point an alias at a model version, once all it comes after has succeeded."""

from typing import Literal

from ..models.manifest import Alias, ModelRef
from .base import JobSpec
from .kind import Kind
from .result import JobResult, Shown


class Deploy(JobSpec["DeployResult"]):
    """Verify a model's files and move an alias to it, in one step with the job's success.

    Attributes:
        model: what to deploy.
        alias: where: "champion" is what a plain model name means.
    """

    kind: Literal["deploy"] = "deploy"
    model: ModelRef
    alias: Alias = "champion"


class DeployResult(JobResult):
    """What a deployment gives.

    Attributes:
        model: the exact reference that the alias points at now.
    """

    kind: Literal["deploy"] = "deploy"
    model: str
    alias: str

    def shown(self) -> Shown:
        return Shown(self.model, f"is now {self.alias}")


KIND = Kind(
    name="deploy",
    spec=Deploy,
    queue="batch",
    usual_s=1.0,
    is_brief=True,
    checkpoints=lambda _: 0,
    summary=lambda spec: f"{spec.model}, {spec.alias}",
)
