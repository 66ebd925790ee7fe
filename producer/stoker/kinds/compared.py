"""What a comparison of models gives."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from ..models.described import Described
from ..models.manifest import Artifact
from .evaluate import Interval, Latency
from .result import JobResult, Shown
from .rules import METRICS

COST_AXES = ("p50_ms", "bytes")
_MOST_NAMED = 4


class ComparedModel(Described):
    """One of the models.

    Attributes:
        model: the exact reference that was measured.
        metrics: how good, by the names that rules have, such as "accuracy", or "price.mae" of one of several outputs;
            what the data cannot tell is left out.
        intervals: 95 % bootstrap intervals of the headline metrics.
        latency: by batch size: 1 and 32.
        rows_per_s: at `batch_size` rows per call.
        memory_bytes: by how much the private memory of the process had grown when the model had been loaded and had
            predicted a batch: its weights in every engine, graphs, and what those keep for themselves. What was free
            before is used again, so that models alike may differ by a copy of their weights. None where the system
            does not tell.
        on_front: whether no other model is at least as good in all of the result's `axes`, and better in one.
        verdict: "chosen", or in words why another one is; "" without a rule, and in results of an older Stoker.
        file_format: of the file that it is served from, which `file_bytes` counts, such as "keras" or "litert".
        about: how it was made, if it was made of another one: "int8 of digits@1".
        engine: what computes a single row of it, such as "LiteRT", as its predictor would choose on this device.
    """

    model: str
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    parameters: int
    file_bytes: int
    latency: dict[int, Latency]
    rows_per_s: float
    memory_bytes: int | None
    on_front: bool
    verdict: str = ""
    file_format: str = ""
    engine: str = ""
    about: str = ""

    @property
    def values(self) -> dict[str, float]:
        """Every number by the name that rules have for it."""
        one, many = self.latency[1], self.latency[32]
        memory = {} if self.memory_bytes is None else {"memory_bytes": self.memory_bytes}
        return {
            **self.metrics,
            **memory,
            "parameters": self.parameters,
            "bytes": self.file_bytes,
            "rows_per_s": self.rows_per_s,
            "latency_ms": one.p50_ms,
            "p50_ms": one.p50_ms,
            "p99_ms": one.p99_ms,
            "p50_ms_32": many.p50_ms,
            "p99_ms_32": many.p99_ms,
        }


class CompareResult(JobResult):
    """What a comparison gives.

    Attributes:
        data: what the models were measured on.
        models: as they were named, without those that were left out.
        axes: what the front is made of: accuracy, R² or mean IoU, of several outputs that of each, the more the better;
            and at last milliseconds for one row and bytes of the saved model, the fewer the better.
        chosen: the exact reference of the model that the rule chooses; None without a rule, and where a comparison that
            is not strict has none that meets its conditions.
        why: the choice in words: who met the conditions, who did not and by how much, how sure the order is.
        device: where it was measured.
        left_out: why a model could not be measured, by its exact reference; empty of a strict comparison.
        warnings: what should be known before the figures are believed.
        files: "report" (JSON) and "html" (the same as one page with plots; not if the store was away just then).
    """

    kind: Literal["compare"] = "compare"
    data: str
    rows: int
    models: tuple[ComparedModel, ...]
    axes: tuple[str, ...]
    chosen: str | None
    why: str
    files: dict[str, Artifact]
    device: str = ""
    left_out: dict[str, str] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def words(self) -> str:
        return self.chosen or f"{len(self.models)} models"

    def gives_model(self) -> str | None:
        return self.chosen

    @property
    def headlines(self) -> tuple[str, ...]:
        """The axes of how good the models are: one for each output."""
        return self.axes[: -len(COST_AXES)]

    def shown(self) -> Shown:
        return Shown(
            self.chosen or "none chosen",
            f"of {len(self.models)} models, on {self.rows:,} rows",
            table=_table(self.models, self.headlines),
            cut=("model", "verdict") if any(model.verdict for model in self.models) else (),
            notes=(self.why, *_left_out(self.left_out)),
            warnings=self.warnings,
            files=self.files,
        )


def _left_out(reasons: Mapping[str, str]) -> Iterator[str]:
    """Why models were not measured, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for ref, reason in reasons.items():
        by_reason.setdefault(reason.removeprefix(f"{ref} "), []).append(ref)
    for reason, refs in by_reason.items():
        more = f" and {len(refs) - _MOST_NAMED} more" if len(refs) > _MOST_NAMED else ""
        yield f"not measured: {', '.join(refs[:_MOST_NAMED])}{more}: {reason}"


def _table(models: Sequence[ComparedModel], headlines: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Models as the command line shows them: a head, and a row for each."""
    if not models:
        return ()
    # Of several outputs, or a class each, there are more than a terminal is wide.
    intervals = [name for name in models[0].intervals if name in METRICS]
    columns = (*(intervals or headlines), *COST_AXES, "p99_ms", "memory_bytes")
    rows = [
        (model.model, *(_cell(model.values.get(name)) for name in columns), "yes" if model.on_front else "")
        for model in models
    ]
    head = ("model", *columns, "on the front")
    if any(model.verdict for model in models):
        head, rows = (*head, "verdict"), [(*row, model.verdict) for row, model in zip(rows, models, strict=True)]
    return (head, *rows)


def on_front(models: Sequence[ComparedModel], gains: Sequence[str], costs: Sequence[str]) -> Iterator[bool]:
    """Of each model whether no other is at least as good in every figure, and better in one.

    Args:
        gains, costs: the figures, by the names that rules have for them: the more, and the less, the better.
    """

    def point(of: ComparedModel) -> tuple[float, ...]:
        return (*(-of.values[gain] for gain in gains), *(of.values[cost] for cost in costs))

    points = [point(model) for model in models]
    for own in points:
        yield not any(other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in points)


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
