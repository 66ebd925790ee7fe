"""Job specs: what an app asks for, as frozen pydantic models told apart by `kind`."""

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from ..errors import InvalidJob
from .architecture import CNN, MLP, Architecture, Builder, KerasConfig
from .base import DataRef, Device, JobSpec, Priority
from .deploy import Deploy, DeployResult
from .evaluate import Accuracy, ClassScore, Efficiency, Evaluate, EvaluateResult, Interval, Latency, Stability
from .infer import PART_KIND, Infer, InferResult
from .problems import sentence
from .train import Checkpoints, EarlyStopping, Optimizer, Schedule, Train, TrainResult

Spec = Annotated[Train | Evaluate | Deploy | Infer, Field(discriminator="kind")]
Result = Annotated[TrainResult | EvaluateResult | DeployResult | InferResult, Field(discriminator="kind")]

SPEC: TypeAdapter[Spec] = TypeAdapter(Spec)
RESULT: TypeAdapter[Result] = TypeAdapter(Result)
KINDS = ("train", "evaluate", "deploy", "infer")


def parse_spec(document: object) -> Spec:
    """A spec from plain data, as YAML or JSON give it.

    Raises:
        InvalidJob: it is not one, in one sentence.
    """
    try:
        return SPEC.validate_python(document)
    except ValidationError as error:
        raise InvalidJob(sentence(error, "a job", ())) from None


def read_spec(text: str | bytes) -> Spec:
    """A spec from JSON, as the ledger keeps it; raises what `parse_spec` does."""
    try:
        return SPEC.validate_json(text)
    except ValidationError as error:
        raise InvalidJob(sentence(error, "a job", ())) from None


__all__ = [
    "CNN",
    "KINDS",
    "MLP",
    "PART_KIND",
    "RESULT",
    "SPEC",
    "Accuracy",
    "Architecture",
    "Builder",
    "Checkpoints",
    "ClassScore",
    "DataRef",
    "Deploy",
    "DeployResult",
    "Device",
    "EarlyStopping",
    "Efficiency",
    "Evaluate",
    "EvaluateResult",
    "Infer",
    "InferResult",
    "Interval",
    "JobSpec",
    "KerasConfig",
    "Latency",
    "Optimizer",
    "Priority",
    "Result",
    "Schedule",
    "Spec",
    "Stability",
    "Train",
    "TrainResult",
    "parse_spec",
    "read_spec",
]
