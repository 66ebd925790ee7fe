"""The `Evaluate` job: how good, how fast and how steady a model is."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..models.described import Described
from ..models.manifest import Artifact, ModelRef
from .accepts import Accepts
from .base import JobSpec
from .data import DataRef
from .kind import Kind, SubmitChecks, preflight_for, with_fields
from .result import JobResult, Shown
from .training.outputs import larger_is_better


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"column {twice!r} is named twice; name each column once")
    return names


class Evaluate(JobSpec["EvaluateResult"]):
    """Measure a model on data it has not seen.

    Attributes:
        model: a model reference; it must exist when the job is submitted.
        data: what to measure on; a `sample://` set gives its test part.
        target: the column with the truth; None takes the one the model was trained on, or those.
        batch_size: rows per forward pass.
        bootstrap: resamples behind the 95 % intervals.
        min_metrics: a gate: the job fails if one of its `metrics` is below, and what comes after it is cancelled.
        noise: levels of Gaussian noise, in standard deviations of each input, under which accuracy is measured again.
        slices: columns by whose values the rows are measured apart: categories, yes or no, and numbers and times in
            four parts of equally many rows. They need not be inputs of the model.
    """

    kind: Literal["evaluate"] = "evaluate"
    model: ModelRef
    data: DataRef
    target: str | None = None
    batch_size: int = Field(default=256, ge=1, le=1_048_576)
    bootstrap: int = Field(default=1000, ge=100, le=100_000)
    min_metrics: dict[str, float] = Field(default_factory=dict, max_length=16)
    noise: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(default=(0.05, 0.1, 0.2, 0.5), max_length=16)
    slices: Accepts[Annotated[tuple[str, ...], AfterValidator(_different)], list[str]] = Field(
        default=(), max_length=8, validate_default=True
    )


class ClassScore(Described):
    """Precision, recall and F1 of one class, and how many rows it has.

    Attributes:
        roc_auc: the area under the ROC curve of this class against all others; None where all rows are of it or none
            is, and where there are more than 100 classes.
        average_precision: of the precision-recall curve; None likewise.
    """

    precision: float
    recall: float
    f1: float
    support: int
    roc_auc: float | None = None
    average_precision: float | None = None


class Interval(Described):
    """A 95 % bootstrap interval."""

    low: float
    high: float


class StepErrors(Described):
    """Mean absolute error, and the root of the mean squared one, of each step of a horizon."""

    mae: tuple[float, ...]
    rmse: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean absolute error of all steps."""
        return sum(self.mae) / len(self.mae)


class ForecastAccuracy(Described):
    """How good a forecast is, beside what needs no model.

    Attributes:
        last: of carrying the last value on.
        season: of carrying the last season on, which is `season_steps` long; None where there is none.
    """

    model: StepErrors
    last: StepErrors
    season: StepErrors | None = None
    season_steps: int | None = None

    @property
    def words(self) -> str:
        """The mean absolute errors."""
        season = f", the last {self.season_steps} steps {self.season.mean:.4g}" if self.season else ""
        return f"mae of the forecast {self.model.mean:.4g}; of carrying the last value on {self.last.mean:.4g}{season}"

    @property
    def is_better(self) -> bool:
        """Whether the model is better than both."""
        return all(self.model.mean < each.mean for each in (self.last, self.season) if each)


class Accuracy(Described):
    """How good: the fields that do not fit the task are None or empty.

    Attributes:
        metrics: of classes "loss" (the cross-entropy), "accuracy", and "precision", "recall" and "f1" averaged over
            them; of labels that hold at once "loss", "accuracy" (of all labels of a row), "micro_f1", and the same
            averages; of numbers "loss" and "mse", "mae", "r2". Of several outputs, after the output's name:
            "price_mae".
        classes: each class or label.
        roc_auc: macro one-vs-rest area under the ROC curve; None where a class is missing from the data, or there are
            more than 100.
        average_precision: of the precision-recall curves: that of the second of two classes, else the mean; None
            likewise.
        calibration_error: expected calibration error over 15 bins (Guo et al. 2017, arXiv:1706.04599).
        confusion: rows are the truth, columns the prediction, in the order of `classes`; empty where there are more
            than 100.
        forecast: the errors of each step, and of forecasts that need no model.
        outputs: how good each of several outputs is.
    """

    metrics: dict[str, float]
    classes: dict[str, ClassScore] = Field(default_factory=dict)
    roc_auc: float | None = None
    average_precision: float | None = None
    calibration_error: float | None = None
    confusion: tuple[tuple[int, ...], ...] = ()
    forecast: ForecastAccuracy | None = None
    outputs: dict[str, "Accuracy"] = Field(default_factory=dict)


class Latency(Described):
    """Milliseconds per call at one batch size."""

    p50_ms: float
    p99_ms: float


class Efficiency(Described):
    """What it costs.

    Attributes:
        parameters: numbers in the model.
        file_bytes: size of the file that is served, and of one that prepares its rows; a .keras file holds the state of
            its optimizer, too.
        latency: by batch size: 1 and 32.
        rows_per_s: at `batch_size` rows per call.
        peak_memory_bytes: peak resident memory of the process that measured.
    """

    parameters: int
    file_bytes: int
    latency: dict[int, Latency]
    rows_per_s: float
    peak_memory_bytes: int


class Stability(Described):
    """How steady.

    Attributes:
        intervals: 95 % bootstrap interval of each headline metric.
        noise: the headline metric (accuracy or R²) at each noise level.
        without_noise: the columns that got none, with the reason: only numbers have neighbours.
    """

    intervals: dict[str, Interval]
    noise: dict[str, float]
    without_noise: tuple[str, ...] = ()


class Slice(Described):
    """The rows that have one value in a column, or lie in one quarter of its range.

    Attributes:
        value: the value, "25 to 40" for numbers (each quarter includes its upper end), or "(missing)".
        metrics: the headline metrics on these rows.
        intervals: 95 % interval of those metrics that are a mean over the rows; none of fewer than 30 rows.
        worse: the metrics by which these rows are clearly worse off than all others: by more than chance, and with at
            least a quarter more errors.
    """

    column: str
    value: str
    rows: int
    metrics: dict[str, float]
    intervals: dict[str, Interval] = Field(default_factory=dict)
    worse: tuple[str, ...] = ()


class EvaluateResult(JobResult):
    """What an evaluation gives.

    Attributes:
        model: the exact reference that was measured.
        metrics: the headline numbers: accuracy, macro precision, recall and F1, or MSE, RMSE, MAE and R²; of several
            outputs after the output's name.
        slices: the same by the values of each column of the spec's `slices`.
        warnings: why the figures may say less than they seem to.
        files: "report" (JSON) and "html" (the same as one page with plots; not if the store was away just then).
    """

    kind: Literal["evaluate"] = "evaluate"
    model: str
    rows: int
    metrics: dict[str, float]
    accuracy: Accuracy
    efficiency: Efficiency
    stability: Stability
    slices: tuple[Slice, ...] = ()
    warnings: tuple[str, ...] = ()
    files: dict[str, Artifact]

    def shown(self) -> Shown:
        rows = []
        for name, value in self.metrics.items():
            interval = self.stability.intervals.get(name)
            rows.append((name, f"{value:.4f}", f"{interval.low:.4f} – {interval.high:.4f}" if interval else ""))
        cost, one = self.efficiency, self.efficiency.latency[1]
        return Shown(
            self.model,
            f"on {self.rows:,} rows",
            table=(("metric", "value", "95 % interval"), *rows),
            notes=(
                f"one row {one.p50_ms:.2f} ms (p99 {one.p99_ms:.2f} ms), {cost.rows_per_s:,.0f} rows/s in batches",
                f"{cost.parameters:,} parameters, {cost.file_bytes:,} bytes",
                *((self.accuracy.forecast.words,) if self.accuracy.forecast else ()),
                *_worst(self.slices),
            ),
            warnings=self.warnings,
            files=self.files,
        )


def _worst(slices: tuple[Slice, ...]) -> Iterator[str]:
    """The worst slices by each metric, of those that have enough rows."""
    for metric in dict.fromkeys(name for each in slices for name in each.intervals):
        sign = -1 if larger_is_better(metric) is False else 1
        ranked = sorted(
            (each for each in slices if metric in each.intervals), key=lambda each: sign * each.metrics[metric]
        )
        told = (f"{each.column} {each.value} {each.metrics[metric]:.4f} ({each.rows:,} rows)" for each in ranked[:3])
        yield f"worst slices by {metric}: {', '.join(told)}"


def _check(spec: Evaluate, checks: SubmitChecks) -> Evaluate:
    data = preflight_for(spec.model, spec.data, checks, target=spec.target, labelled=True, others=spec.slices)
    return with_fields(spec, data=data)


KIND = Kind(
    name="evaluate",
    spec=Evaluate,
    queue="batch",
    usual_s=20.0,
    checkpoints=lambda _: 0,
    summary=lambda spec: f"{spec.model}, {spec.data}",
    differs=lambda _: "",
    check=_check,
)
