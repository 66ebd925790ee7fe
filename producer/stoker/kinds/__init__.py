"""Job specs: what an app asks for, as frozen pydantic models told apart by `kind`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ..errors import InvalidJob
from . import (
    compare,
    deploy,
    describe,
    evaluate,
    explain,
    export,
    import_model,
    infer,
    monitor,
    optimize,
    run,
    train,
    tune,
)
from .base import MOST_BYTES, Device, JobSpec, Priority
from .compare import Compare, ComparedModel, CompareResult
from .data import Data, DataRef, as_data
from .deploy import Deploy, DeployResult, Tolerance
from .describe import Describe, DescribedColumn, DescribedTarget, DescribeResult, Histogram
from .evaluate import Accuracy, ClassScore, Efficiency, Evaluate, EvaluateResult, Interval, Latency, Slice, Stability
from .explain import Explain, ExplainResult
from .explanation import Attribution, Explanation, Importance
from .export import Export, ExportResult
from .import_model import Import, ImportedInput, ImportedOutput, ImportResult
from .infer import Infer, InferResult
from .kind import Kind
from .monitor import Monitor, MonitorResult
from .needs import checked_words, label_words
from .optimize import Optimize, OptimizedForm, OptimizeResult
from .problems import sentence
from .run import Run, RunResult
from .train import Train
from .training.architecture import (
    CNN,
    MLP,
    Architecture,
    Pretrained,
    ResNet,
    Sequence,
    Text,
    UNet,
    WideAndDeep,
)
from .training.fitting import Checkpoints, EarlyStopping, Optimizer, Plateau, Schedule
from .training.forecast import Forecast
from .training.given_network import Builder, KerasConfig
from .training.images import Augment
from .training.outputs import Output
from .training.trained import CrossValidation, TrainResult
from .tune import Tune
from .tuning.space import Choice, Float, Int
from .tuning.trial import Trial
from .tuning.tuned import TunedTrial, TuneResult

Spec = Annotated[
    Train
    | Evaluate
    | Deploy
    | Infer
    | Compare
    | Describe
    | Run
    | Explain
    | Import
    | Optimize
    | Tune
    | Export
    | Monitor,
    Field(discriminator="kind"),
]
Result = Annotated[
    TrainResult
    | EvaluateResult
    | DeployResult
    | InferResult
    | CompareResult
    | DescribeResult
    | RunResult
    | ImportResult
    | OptimizeResult
    | ExplainResult
    | TuneResult
    | ExportResult
    | MonitorResult,
    Field(discriminator="kind"),
]

SPEC: TypeAdapter[Spec] = TypeAdapter(Spec, config=ConfigDict(defer_build=True))
RESULT: TypeAdapter[Result] = TypeAdapter(Result, config=ConfigDict(defer_build=True))
KINDS: Mapping[str, Kind[Any]] = MappingProxyType(
    {
        each.KIND.name: each.KIND
        for each in (
            train,
            evaluate,
            deploy,
            infer,
            compare,
            describe,
            run,
            import_model,
            optimize,
            explain,
            tune,
            export,
            monitor,
        )
    }
)
"""Every kind of jobs, by name."""


def kind_of(spec: Spec) -> Kind[Any]:
    """The kind of a spec."""
    return KINDS[spec.kind]


def needs_of(spec: Spec) -> tuple[str, ...]:
    """The words that a job's worker must offer, as far as its spec tells; raises what `needs.checked_words` does."""
    return checked_words((*kind_of(spec).needs(spec), *label_words(spec.needs)))


def parse_spec(document: object) -> Spec:
    """A spec from plain data, as YAML or JSON give it.

    Raises:
        InvalidJob: it is not one, in one sentence.
    """
    try:
        return SPEC.validate_python(document)
    except ValidationError as error:
        raise InvalidJob(sentence(error, document, "a job", ())) from None


def document(spec: Spec) -> str:
    """A spec as JSON, as the ledger keeps it. What is None is left out: that is what it is by default.

    What is something by default is written: so a job stays what its author saw, also where a newer version that runs
    it has another default.
    """
    return spec.model_dump_json(exclude_none=True)


def checked(spec: Spec) -> Spec:
    """A spec as it will be read again from the ledger: so also one that `model_copy` has changed is checked.

    Raises:
        InvalidJob: a field of it is wrong, or it is too large to be kept.
    """
    fields = type(spec).model_fields.keys()
    if not vars(spec).keys() <= fields:
        unknown = min(vars(spec).keys() - fields)
        raise InvalidJob(f"{type(spec).__name__} has no field {unknown!r}: model_copy took it unchecked")
    try:
        text = spec.model_dump_json(warnings="none")
    except (ValueError, RecursionError) as error:
        raise InvalidJob(f"this {type(spec).__name__} cannot be written as JSON: {error}") from None
    if len(text) > MOST_BYTES:
        raise InvalidJob(
            f"this {type(spec).__name__} is {len(text):,} bytes of JSON and may be {MOST_BYTES:,}, for Redis keeps it "
            "in memory: what is so large is data, and goes into a file that it names"
        )
    return read_spec(text)


def read_spec(text: str | bytes) -> Spec:
    """A spec from JSON, as the ledger keeps it; raises what `parse_spec` does."""
    try:
        return SPEC.validate_json(text)
    except ValidationError as error:
        raise InvalidJob(sentence(error, text, "a job", ())) from None


__all__ = [
    "CNN",
    "KINDS",
    "MLP",
    "RESULT",
    "SPEC",
    "Accuracy",
    "Architecture",
    "Attribution",
    "Augment",
    "Builder",
    "Checkpoints",
    "Choice",
    "ClassScore",
    "Compare",
    "CompareResult",
    "ComparedModel",
    "CrossValidation",
    "Data",
    "DataRef",
    "Deploy",
    "DeployResult",
    "Describe",
    "DescribeResult",
    "DescribedColumn",
    "DescribedTarget",
    "Device",
    "EarlyStopping",
    "Efficiency",
    "Evaluate",
    "EvaluateResult",
    "Explain",
    "ExplainResult",
    "Explanation",
    "Export",
    "ExportResult",
    "Float",
    "Forecast",
    "Histogram",
    "Import",
    "ImportResult",
    "Importance",
    "ImportedInput",
    "ImportedOutput",
    "Infer",
    "InferResult",
    "Int",
    "Interval",
    "JobSpec",
    "KerasConfig",
    "Kind",
    "Latency",
    "Monitor",
    "MonitorResult",
    "Optimize",
    "OptimizeResult",
    "OptimizedForm",
    "Optimizer",
    "Output",
    "Plateau",
    "Pretrained",
    "Priority",
    "ResNet",
    "Result",
    "Run",
    "RunResult",
    "Schedule",
    "Sequence",
    "Slice",
    "Spec",
    "Stability",
    "Text",
    "Tolerance",
    "Train",
    "TrainResult",
    "Trial",
    "Tune",
    "TuneResult",
    "TunedTrial",
    "UNet",
    "WideAndDeep",
    "as_data",
    "checked",
    "document",
    "kind_of",
    "needs_of",
    "parse_spec",
    "read_spec",
]
