"""What jobs give where a test does not say: results of the right shape, whose numbers mean nothing."""

import random
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from ..events import Epoch, Event
from ..kinds import (
    Compare,
    CompareResult,
    Deploy,
    Describe,
    DescribeResult,
    Evaluate,
    EvaluateResult,
    Explain,
    Export,
    Import,
    ImportResult,
    Infer,
    InferResult,
    Monitor,
    MonitorResult,
    Optimize,
    OptimizeResult,
    Run,
    RunResult,
    Spec,
    Train,
    TrainResult,
    Tune,
    TunedTrial,
    TuneResult,
    as_data,
)
from ..kinds.compare import headlines
from ..kinds.compared import COST_AXES, ComparedModel
from ..kinds.describe import DescribedColumn
from ..kinds.evaluate import Accuracy, Efficiency, Interval, Latency, Stability
from ..kinds.result import JobResult
from ..kinds.tuning.goal import Goal
from ..ledger.registry import JOB_MODEL
from ..models.columns import TARGET_NAMES, select_columns
from ..models.manifest import Artifact, ModelVersion
from ..models.model_files import FILE_NAMES, ModelFormat
from ..models.signature import Signature, TensorSpec
from ..models.store import Store
from .deployed import deployed
from .explained import explained
from .exported import exported
from .outcomes import Planned
from .registry import Models, signature_of
from .tables import classes_of, columns_of, head_of

_ROWS, _PARAMETERS, _RUN_S, _ROWS_PER_S, _TRIALS = 100, 1000, 1.0, 1000.0, 3
_LATENCY = {1: Latency(p50_ms=1.0, p99_ms=2.0), 32: Latency(p50_ms=2.0, p99_ms=4.0)}
_METRICS = {"loss": 0.25, "accuracy": 0.9, "val_loss": 0.3, "val_accuracy": 0.88}
# Of the arrays among the sample sets: how many numbers a row has, and the classes.
_SAMPLE_ARRAYS: dict[str, tuple[int, tuple[str, ...]]] = {
    "digits": (64, tuple("0123456789")),
    "iris": (4, ("setosa", "versicolor", "virginica")),
    "wine": (13, ("class_0", "class_1", "class_2")),
    "breast_cancer": (30, ("malignant", "benign")),
    "diabetes": (10, ()),
}

Maker = Callable[[Any, str, Models, Store], JobResult]


def usual_events(spec: Spec, planned: Planned) -> Iterator[Event]:
    """What a job sends while it runs: a training its epochs, as many as it has or, if it fails or goes on, one."""
    if isinstance(spec, Train):
        epochs = spec.epochs if planned.ends and planned.reason is None else 1
        for epoch in range(1, epochs + 1):
            metrics = {name: value / epoch if "loss" in name else value for name, value in _METRICS.items()}
            yield Epoch(epoch=epoch, epochs=spec.epochs, metrics=metrics, rows_per_s=_ROWS_PER_S, eta_s=0.0)


def usual_result(spec: Spec, job_id: str, models: Models, store: Store, made_by: Callable[[str], str]) -> JobResult:
    """A result of a job; with its model registered, and its page in the store.

    Args:
        made_by: the model that another job has made, by that one's id.
    """

    def exact(ref: str) -> str:
        return made_by(ref.removeprefix(JOB_MODEL)) if ref.startswith(JOB_MODEL) else models.version(ref).ref

    match spec:
        case Train():
            return _trained(spec, job_id, models, store)
        case Evaluate():
            return _evaluated(exact(spec.model), store)
        case Deploy():
            return deployed(spec, exact(spec.model), job_id, models, store)
        case Infer():
            chunk = store.put_bytes(b"made up", f"predictions.{spec.format}")
            return InferResult(model=exact(spec.model), rows=_ROWS, chunks=(chunk,), rows_per_s=_ROWS_PER_S)
        case Compare():
            return _compared(spec, [models.version(exact(ref)) for ref in spec.models], store)
        case Describe():
            return _described(spec, store)
        case Explain():
            version = models.version(exact(spec.model))
            return explained(spec, version, models, _pages(store, version.ref))
        case Run():
            return RunResult(function=spec.function, seed=spec.seed or 0, run_s=_RUN_S)
        case Optimize():
            return _optimized(spec, models.version(exact(spec.model)), job_id, models, store)
        case Monitor():
            ref, windows = exact(spec.model), spec.windows or 1
            return MonitorResult(model=ref, windows=windows, rows=windows * spec.window, files=_pages(store, ref))
        case Import():
            signature = signature_of({}, tuple(spec.classes), spec.target)
            version = models.register(
                spec.model, spec.alias, signature=signature, metrics=dict(spec.metrics), files={},
                parameters=_PARAMETERS, job=job_id, data="",
            )  # fmt: skip
            return ImportResult(model=version.ref, format="keras", parameters=_PARAMETERS)
        case Tune():
            return _tuned(spec, job_id, models, store)
        case Export():
            return exported(spec, models.version(exact(spec.model)), job_id, _ROWS, store)


def _trained(spec: Train, job_id: str, models: Models, store: Store) -> TrainResult:
    data = as_data(spec.data).ref
    signature = _signature(spec, data, store)
    file = store.put_bytes(b"made up", "model.keras")
    version = models.register(
        spec.model, spec.alias, signature=signature, metrics=_METRICS, files={"keras": file},
        parameters=_PARAMETERS, job=job_id, data=data,
    )  # fmt: skip
    history = {
        name: tuple(value / epoch if "loss" in name else value for epoch in range(1, spec.epochs + 1))
        for name, value in _METRICS.items()
    }
    return TrainResult(
        model=version.ref, metrics=_METRICS, history=history, epochs=spec.epochs, rows=_ROWS, parameters=_PARAMETERS,
        seed=spec.seed or 0, run_s=_RUN_S, files={"keras": file},
    )  # fmt: skip


def _evaluated(model: str, store: Store) -> EvaluateResult:
    metrics = {"accuracy": 0.9, "precision": 0.9, "recall": 0.9, "f1": 0.9}
    return EvaluateResult(
        model=model, rows=_ROWS, metrics=metrics, accuracy=Accuracy(metrics={"loss": 0.25, **metrics}),
        efficiency=Efficiency(
            parameters=_PARAMETERS, file_bytes=1, latency=_LATENCY, rows_per_s=_ROWS_PER_S, peak_memory_bytes=1
        ),
        stability=Stability(intervals={}, noise={}), files=_pages(store, model),
    )  # fmt: skip


def _compared(spec: Compare, versions: list[ModelVersion], store: Store) -> CompareResult:
    """The first named is the best, and meets the conditions."""
    refs = [version.ref for version in versions]
    chosen = refs[0] if spec.choose is not None else None
    of_task = headlines(versions[0].signature)
    compared = tuple(
        ComparedModel(
            model=ref, metrics=dict.fromkeys(of_task, 0.9 - number / 100), intervals={}, parameters=_PARAMETERS,
            file_bytes=1, latency=_LATENCY, rows_per_s=_ROWS_PER_S, memory_bytes=None, on_front=not number,
            verdict="" if chosen is None else "chosen" if ref == chosen else "made up",
        )
        for number, ref in enumerate(refs)
    )  # fmt: skip
    return CompareResult(
        data=as_data(spec.data).ref, rows=_ROWS, models=compared, axes=(*of_task, *COST_AXES), chosen=chosen,
        why="made up", files=_pages(store, "comparison"), device="cpu",
    )  # fmt: skip


def _optimized(spec: Optimize, parent: ModelVersion, job_id: str, models: Models, store: Store) -> OptimizeResult:
    form = spec.to or "int8"
    file_format: ModelFormat = "keras" if form in ("prune", "sparse", "distil") else "litert"
    file = store.put_bytes(b"made up", FILE_NAMES[file_format])
    metrics = {"accuracy": 0.89}
    own = {name: getattr(parent, name) for name in type(parent).model_fields if name in ("signature", "data")}
    version = models.register(
        spec.name or parent.name, spec.alias, metrics=metrics, files={file_format: file}, parameters=_PARAMETERS,
        job=job_id, parent=parent.ref, **own,
    )  # fmt: skip
    before, after = (
        ComparedModel(
            model=model, metrics={"accuracy": accuracy}, intervals={}, parameters=_PARAMETERS, file_bytes=size,
            latency=_LATENCY, rows_per_s=_ROWS_PER_S, memory_bytes=None, on_front=True,
        )
        for model, accuracy, size in ((parent.ref, 0.9, 4), (f"{form} of {parent.ref}", 0.89, 1))
    )  # fmt: skip
    return OptimizeResult(
        model=version.ref, parent=parent.ref, form=form, data=as_data(spec.data).ref, rows=_ROWS, headline="accuracy",
        before=before, after=after, drop=0.01, drop_interval=Interval(low=0.0, high=0.02), done="made up",
        why="made up", files=_pages(store, "optimisation"),
    )  # fmt: skip


def _described(spec: Describe, store: Store) -> DescribeResult:
    data = as_data(spec.data).ref
    columns = tuple(
        DescribedColumn(
            name=name, kind="number" if kind == "number" else "category", why="made up", warning=None, dtype="float64",
            shape=(), missing=0, distinct=None, exact=False, low=None, high=None, mean=None, median=None, examples=(),
            histogram=None, commonest={},
        )
        for name, kind in columns_of(data, head_of(data, store)).items()
    )  # fmt: skip
    target = spec.target if isinstance(spec.target, str) else None
    return DescribeResult(
        data=data, rows=_ROWS, columns=columns, target=target, task=None, task_why=None, task_doubt=None, warnings=(),
        files=_pages(store, data),
    )  # fmt: skip


def _tuned(spec: Tune, job_id: str, models: Models, store: Store) -> TuneResult:
    """Trials at the corners of the space, of which the first is the best; its training has made the model."""
    template, drawn, goal = spec.template, random.Random(0), Goal.parse(spec.goal)
    settings = [template.draw(lambda _, each: drawn.choice(each.corners)) for _ in range(min(spec.trials, _TRIALS))]
    trials = tuple(
        TunedTrial(
            number=number, state="SUCCEEDED", value=0.5 + goal.sign * (0.4 - number / 100), settings=each,
            epochs=None, run_s=_RUN_S, job=f"{job_id}-1-{number}",
        )
        for number, each in enumerate(settings)
    )  # fmt: skip
    best = template.with_settings(settings[0])
    made = None
    if isinstance(best, Train) and spec.finish != "none":
        made = _trained(best.model_copy(update={"alias": spec.alias}), job_id, models, store).model
    return TuneResult(
        goal=spec.goal, value=trials[0].value or 0.0, settings=settings[0], best=0, trials=trials, why="made up",
        run_s=_RUN_S * len(trials), seed=spec.seed or 0, model=made, alias=spec.alias if made else None,
        files={**_pages(store, "tuning"), "study": store.put_bytes(b"", "study.journal")},
    )  # fmt: skip


def _pages(store: Store, title: str) -> dict[str, Artifact]:
    page = f"<!doctype html><title>stoker.testing</title><p>A made-up report: {escape(title)}</p>"
    return {"report": store.put_bytes(b"{}", "report.json"), "html": store.put_bytes(page.encode(), "report.html")}


def _signature(spec: Train, ref: str, store: Store) -> Signature:
    """What a training on this would make, as far as the head of a table or the sample's name tells.

    Raises:
        InvalidJob: the table lacks a column, as a worker would find.
    """
    sample = ref.removeprefix("sample://")
    if sample in _SAMPLE_ARRAYS:
        width, classes = _SAMPLE_ARRAYS[sample]
        signature = signature_of({}, classes, None)
        x = TensorSpec(name="x", shape=(width,), dtype="float32")
        return signature.model_copy(update={"inputs": (x,)})
    rows = head_of(ref, store)
    columns = columns_of(ref, rows)
    target, features = _chosen(spec, ref, tuple(columns))
    return signature_of({name: columns.get(name, "number") for name in features}, classes_of(rows, target), target)


def _chosen(spec: Train, ref: str, columns: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The target, if it is a single one, and the features."""
    if columns and spec.forecast is None and spec.init_from is None:
        aside = () if spec.sample_weight is None else (spec.sample_weight,)
        targets, features = select_columns(columns, spec.targets, spec.features, ref, aside)
        return targets[0] if len(targets) == 1 else None, features
    target = spec.target if isinstance(spec.target, str) else next((n for n in TARGET_NAMES if n in columns), None)
    return target, spec.features or tuple(name for name in columns if name != target)
