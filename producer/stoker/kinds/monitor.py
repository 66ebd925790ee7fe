"""The `Monitor` job: whether what a model is asked and answers still looks like what it was judged on."""

from typing import Annotated, Literal

from pydantic import Field

from ..models.manifest import Artifact, ModelRef
from .accepts import Accepts
from .base import JobSpec
from .data import OptionalDataRef
from .kind import Kind, Sampled, SubmitChecks, preflight_for, with_fields
from .result import JobResult, Shown

# Their names and digests are kept over each wait, which takes 64 kB.
MOST_WINDOWS_KEPT = 400
_SHOWN_WINDOWS = 20
_WEEK_S = 7 * 86_400.0


class Monitor(JobSpec["MonitorResult"]):
    """Watch a model in service: what it is asked, what it answers, and how right that was as far as labels come.

    While it lives, predictors keep samples of the requests to the model. Each time that they make a window, the job
    holds it against the reference: every column of the inputs, and the predictions. What differs in two windows
    running, by more than chance and than `floor`, raises an alarm (`Client.alarms`). Between windows the job waits
    without a slot, for months if need be; `windows` or a cancel ends it.

    Attributes:
        model: a model reference; if its alias moves, the version that it points at then is watched. One job watches a
            model.
        data: the reference; None takes the rows that the version was validated on, where it says which: the test part
            of a `sample://` set, or its `validation_data`.
        target: the column with the truth in the reference; None takes the one the model was trained on.
        window: rows of a window. Smaller ones tell sooner, larger ones tell smaller changes.
        share: of the requests that are sampled.
        leave_out: columns, inputs or outputs of which nothing is kept. Of texts and pictures it is never more than how
            long and how bright they are.
        keep: the columns of how many windows stay in the store, to be looked at; none unless it is said.
        windows: after how many windows the job succeeds; None for never.
        floor: the least distance of a column of numbers that matters, in its standard deviations.
        share_floor: the least difference in the share of a category, or of missing values, that matters.
        label_horizon: for how many seconds after an answer a label counts.
        rows: how many rows of the reference are read, at most.
        seed: of the limits that are drawn.
    """

    kind: Literal["monitor"] = "monitor"
    model: ModelRef
    data: OptionalDataRef = Field(default=None, validate_default=True)
    target: str | None = None
    window: int = Field(default=200, ge=50, le=100_000)
    share: float = Field(default=1.0, gt=0, le=1)
    leave_out: Accepts[Annotated[tuple[str, ...], Field(max_length=1000)], list[str]] = Field(
        default=(), validate_default=True
    )
    keep: int = Field(default=0, ge=0, le=MOST_WINDOWS_KEPT)
    windows: int | None = Field(default=None, ge=1)
    floor: float = Field(default=0.1, ge=0)
    share_floor: float = Field(default=0.05, ge=0, le=1)
    label_horizon: float = Field(default=_WEEK_S, gt=0, le=366 * 86_400)
    rows: int = Field(default=10_000, ge=100, le=1_000_000)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)


class MonitorResult(JobResult):
    """What a `Monitor` has found.

    Attributes:
        model: the version that it watched last.
        windows: how many windows it has tested, and `rows` of all of them.
        alarms: what it has raised, the newest 100, in sentences.
        drifted: the columns that have drifted, and still did at its end.
        metric, value: by what labels measure the model, and what they say; None without any.
        gate: the same metric on the reference.
        files: "html" and "report", and the windows that were kept.
    """

    kind: Literal["monitor"] = "monitor"
    model: str
    windows: int
    rows: int
    alarms: tuple[str, ...] = ()
    drifted: tuple[str, ...] = ()
    metric: str | None = None
    value: float | None = None
    gate: float | None = None
    files: dict[str, Artifact] = Field(default_factory=dict)

    def shown(self) -> Shown:
        """See `JobResult.shown`."""
        measured = f", {self.metric} {self.value:.4g}" if self.metric and self.value is not None else ""
        about = f"{self.windows} windows, {self.rows:,} rows{measured}"
        drifted = f"drifts: {', '.join(self.drifted)}" if self.drifted else "nothing drifts"
        return Shown(self.model, about, notes=(drifted, *self.alarms[-_SHOWN_WINDOWS:]), files=self.files)


def _check(spec: Monitor, checks: SubmitChecks) -> Monitor:
    if spec.data is None:
        return spec
    return with_fields(
        spec, data=preflight_for(spec.model, spec.data, checks, target=spec.target, labelled=spec.target is not None)
    )


def _samples(spec: Monitor) -> Sampled:
    return Sampled(spec.share, spec.leave_out, spec.window, spec.label_horizon)


KIND = Kind(
    name="monitor",
    spec=Monitor,
    queue="batch",
    usual_s=10.0,
    checkpoints=lambda _: 2,
    samples=_samples,
    summary=lambda spec: f"{spec.model}, windows of {spec.window:,}",
    check=_check,
)
