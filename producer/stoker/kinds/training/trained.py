"""What a `Train` job gives."""

import math
from typing import Literal, Self

from pydantic import Field

from ...models.described import Described
from ...models.manifest import Artifact
from ..result import JobResult, Shown


class CrossValidation(Described):
    """How well models do on rows that they were not trained on, each fold's by one of them.

    Attributes:
        folds: the metrics of each, in order.
        mean, spread: of every metric, and its standard deviation between the folds.
    """

    folds: tuple[dict[str, float], ...]
    mean: dict[str, float]
    spread: dict[str, float]


class TrainResult(JobResult):
    """What a training gives.

    Attributes:
        model: the exact reference of the new version, e.g. "digits@1"; empty for that of a fold or a trial, which is
            not registered.
        metrics: the last epoch's metrics (the best one's where early stopping restored it); with folds, those that
            begin with val_ are means over the folds.
        history: every metric, one number per epoch; none of a trial, as the job sees it that asked for it.
        epochs: how many epochs ran.
        rows: how many rows were trained on.
        parameters: how many numbers the model has learned.
        seed: the seed used.
        run_s: seconds from the start of the attempt that finished.
        files: model files by format, "history" (JSON) and "tensorboard" (a zip of its log folder, unless it could not
            be written).
        parts: into how many parts each batch was divided, because there was no memory for all of it.
        precision: what was computed in.
        cross_validation: what the folds gave; None without any.
        extreme_epochs: of a trial, as the job sees it that asked for it, the epochs at which each metric was least and
            largest, the first of them; from 1.
    """

    kind: Literal["train"] = "train"
    model: str
    metrics: dict[str, float]
    history: dict[str, tuple[float, ...]]
    epochs: int
    rows: int
    parameters: int
    seed: int
    run_s: float
    files: dict[str, Artifact]
    parts: int = 1
    precision: Literal["float32", "mixed"] = "float32"
    cross_validation: CrossValidation | None = None
    extreme_epochs: dict[str, tuple[int, int]] = Field(default_factory=dict)

    def gives_model(self) -> str | None:
        return self.model or None

    def brief(self) -> Self:
        extremes = {
            name: (values.index(min(known)) + 1, values.index(max(known)) + 1)
            for name, values in self.history.items()
            if (known := [value for value in values if math.isfinite(value)])
        }
        return self.model_copy(update={"history": {}, "extreme_epochs": extremes})

    def shown(self) -> Shown:
        cost = f"{self.epochs} epochs on {self.rows:,} rows in {self.run_s:.1f} s, {self.parameters:,} parameters"
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        notes = [f"{cost}, seed {self.seed}"]
        if self.parts > 1:
            notes.append(f"each batch was computed in {self.parts} parts, for want of memory")
        if scores := self.cross_validation:
            told = (f"{name} {mean:.4g} ± {scores.spread[name]:.2g}" for name, mean in scores.mean.items())
            notes.append(f"over {len(scores.folds)} folds: {'  '.join(told)}")
        return Shown(self.model or "not registered", metrics, notes=tuple(notes), files=self.files)
