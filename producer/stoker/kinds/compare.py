"""The `Compare` job: several models measured on the same rows, and the one that a rule chooses."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..errors import InvalidJob
from ..models.manifest import ModelRef, ModelVersion
from ..models.signature import Signature
from .accepts import Accepts
from .base import JobSpec
from .compared import COST_AXES, ComparedModel, CompareResult
from .data import Data, DataRef
from .kind import Kind, SubmitChecks, preflight_for, with_fields
from .rules import CLASS_SHARE, COSTS, QUALITIES, Rule, of_output

__all__ = ["COST_AXES", "KIND", "Compare", "CompareResult", "ComparedModel", "headlines", "require_comparable"]

MOST_COMPARED = 32
MOST_LEFT_OUT = 100
_NAMED_IN_SUMMARY = 3
_Reason = Annotated[str, Field(max_length=1000)]


class Compare(JobSpec[CompareResult]):
    """Measure models on the same rows, which none of them has seen, and choose one of them.

    A rule is `max` or `min` and a metric; conditions may follow: `max accuracy where p99_ms < 5 and bytes < 1MB`.
    Metrics are those of `Evaluate` (of classes accuracy, precision, recall, f1, loss, roc_auc, average_precision,
    calibration_error; of numbers r2, mse, rmse, mae, loss; of masks mean_iou, accuracy, loss, iou_1 of the class 1; of
    reconstructions r2, error, mse, rmse, mae, loss), of several outputs each behind its name: `price.mae`, or
    `"net price".mae` where that is no plain word. Besides there are `parameters`, `bytes` of the file that is
    served, `memory_bytes`, `rows_per_s`, and milliseconds per call: `p50_ms` (or `latency_ms`) and `p99_ms` for one
    row, `p50_ms_32` and `p99_ms_32` for 32. Numbers may have units: kB, MB, GB, KiB, MiB, GiB of bytes, us, ms,
    s of times, % of shares. `on cpu` or `on gpu` behind a time says where the job runs.

    Of models that are equal, the one with the smaller file is chosen, and of those the first named.

    The `error` and `loss` of reconstructions are in the standard deviations that the first model was trained on: the
    other models' own ones would measure by other rulers.

    Attributes:
        models: model references, of one task and target, or of the same outputs.
        data: what to measure on; a `sample://` set gives its test part.
        target: the column with the truth; None takes the one the models were trained on.
        batch_size: rows per forward pass.
        bootstrap: resamples behind the 95 % intervals; all models see the same ones.
        choose: the rule; None chooses none. If no model meets its conditions, the job fails, and says by how much.
        left_out: why other versions are not compared, by reference, for the report to say; `client.best` fills it.
        strict: whether a model that cannot be measured fails the job, and so does a rule that none meets; if not, such
            models are left out, none is chosen, and the result says why.
    """

    kind: Literal["compare"] = "compare"
    models: Accepts[tuple[ModelRef, ...], list[str]] = Field(min_length=1, max_length=MOST_COMPARED)
    data: DataRef
    target: str | None = None
    batch_size: int = Field(default=256, ge=1, le=1_048_576)
    bootstrap: int = Field(default=1000, ge=100, le=100_000)
    choose: str | None = Field(default=None, max_length=1000)
    left_out: dict[ModelRef, Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=dict, max_length=MOST_LEFT_OUT
    )
    strict: bool = True

    @model_validator(mode="before")
    @classmethod
    def _runs_where_the_rule_says(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(rule := data.get("choose"), str):
            return data
        device, asked = Rule.parse(rule).device, data.get("device", "auto")
        if device is None or asked == device:
            return data
        if asked != "auto":
            raise InvalidJob(f"choose={rule!r} is to be measured on {device}, and device is {asked!r}: leave one out")
        return data | {"device": device}

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        _require_distinct(self.models, self.models)
        if self.choose is not None:
            Rule.parse(self.choose)
        return self


def require_comparable(spec: Compare, versions: Sequence[ModelVersion]) -> None:
    """Refuse versions that cannot be held against each other, or of which the rule cannot be told.

    Args:
        versions: those of the spec's models that are known yet.

    Raises:
        InvalidJob: one is named twice, they have not one task and one target, or the rule names another task's metric.
    """
    if not versions:
        return
    _require_distinct([version.ref for version in versions], spec.models)
    first = versions[0]
    for other in versions[1:]:
        _require_one_measure(first, other, spec.target)
    known = (*qualities(first.signature), *COSTS)
    named = Rule.parse(spec.choose).metrics if spec.choose is not None else ()
    if unknown := next((metric for metric in named if metric not in known), None):
        raise InvalidJob(
            f"choose names {unknown!r}, but {first.ref} is a model of {_task(first.signature)}, which is measured by "
            f"{', '.join(known)}"
        )


def qualities(signature: Signature) -> tuple[str, ...]:
    """The metrics by which models with such outputs are measured, if the data can tell them."""
    if signature.parts:
        return tuple(of_output(name, metric) for name, part in signature.parts.items() for metric in qualities(part))
    shares = [f"{CLASS_SHARE}{label}" for label in signature.classes] if signature.task == "pixels" else []
    return (*QUALITIES[_task(signature)], *shares)


def headlines(signature: Signature) -> tuple[str, ...]:
    """The first of those of each output."""
    if signature.parts:
        return tuple(of_output(name, first) for name, part in signature.parts.items() for first in headlines(part))
    return QUALITIES[_task(signature)][:1]


def ruler(signature: Signature, target: str | None) -> str:
    """What a model is measured by, in words: those with the same can be compared.

    Args:
        target: the column with the truth of all models, whatever they were trained on.
    """
    of = f" of {_target(signature)!r}" if target is None else ""
    size = _size(signature)
    return f"{_words(signature)}{of}{f' in rows of {size}' if size else ''}"


def _require_one_measure(first: ModelVersion, other: ModelVersion, target: str | None) -> None:
    """Refuse two versions whose figures would mean different things."""
    one, two = first.signature, other.signature
    if _outputs(one) != _outputs(two):
        raise InvalidJob(
            f"{first.ref} is a model of {_words(one)} and {other.ref} one of {_words(two)}: nothing measures both; "
            f"compare models of {'the same outputs' if one.parts or two.parts else 'one task'}"
        )
    if target is None and _target(one) != _target(two):
        single = not one.parts and one.task != "reconstruction"
        instead = ", or set target to the column that all of them shall be measured against" if single else ""
        raise InvalidJob(
            f"{first.ref} predicts {_target(one)!r} and {other.ref} predicts {_target(two)!r}: compare models of one "
            f"target{instead}"
        )
    sizes = [_size(signature) for signature in (one, two)]
    if sizes[0] != sizes[1]:
        raise InvalidJob(
            f"{first.ref} gives rows of {sizes[0]} and {other.ref} of {sizes[1]}, and each would be measured on "
            "numbers of its own; compare models of one size"
        )


def _require_distinct(refs: Sequence[str], named: Sequence[str]) -> None:
    twice = next((ref for at, ref in enumerate(refs) if ref in refs[:at]), None)
    if twice:
        raise InvalidJob(f"models={', '.join(named)} names {twice} twice; name each version once")


def _task(signature: Signature) -> str:
    return "classification" if signature.task in ("binary", "multiclass") else signature.task


def _outputs(signature: Signature) -> dict[str, str]:
    """The task of each of several outputs, or of the only one."""
    if signature.forecast:
        # Of a forecast, a row is a window, and its truth are the steps behind that.
        return {"": f"a forecast of {signature.forecast.horizon} steps"}
    return {name: _task(part) for name, part in signature.parts.items()} or {"": _task(signature)}


def _words(signature: Signature) -> str:
    """The tasks as a message says them."""
    return ", ".join(f"{name} ({task})" if name else task for name, task in sorted(_outputs(signature).items()))


def _size(signature: Signature) -> tuple[int | None, ...]:
    """The shape to which the truth is brought for the model: of pictures and masks; else ()."""
    shape = signature.outputs[0].shape if signature.outputs else ()
    return {"pixels": shape[:2], "reconstruction": shape}.get(signature.task, ())


def _target(signature: Signature) -> str:
    """What is predicted, whatever the order of the outputs."""
    if signature.task == "reconstruction":
        return ", ".join(sorted(signature.columns or [spec.name for spec in signature.inputs]))
    if signature.parts:
        return ", ".join(name for _, part in sorted(signature.parts.items()) for name in part.target_columns)
    return ", ".join(signature.target_columns) or "y"


def _check(spec: Compare, checks: SubmitChecks) -> Compare:
    require_comparable(spec, [version for ref in spec.models if (version := checks.version(ref))])
    checked: list[str | Data] = []
    refused: InvalidJob | None = None
    for ref in spec.models:
        try:
            checked.append(preflight_for(ref, spec.data, checks, target=spec.target, labelled=True))
        except InvalidJob as error:
            if spec.strict:
                raise
            refused = error
    if refused and not checked:
        raise refused
    return with_fields(spec, data=checked[0])


def _summary(spec: Compare) -> str:
    more = len(spec.models) - _NAMED_IN_SUMMARY
    named = [*spec.models[:_NAMED_IN_SUMMARY], *([f"{more} more"] if more > 0 else [])]
    return ", ".join([*named, str(spec.data)])


KIND = Kind(
    name="compare",
    spec=Compare,
    queue="batch",
    usual_s=60.0,
    reads=("models",),
    checkpoints=lambda _: 0,
    summary=_summary,
    differs=lambda _: "",
    check=_check,
)
