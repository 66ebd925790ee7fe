"""The `Train` job: fit a model to data and register it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ..errors import InvalidJob
from ..models.manifest import Alias, Artifact, ModelName
from .architecture import MLP, Architecture
from .base import Frozen, JobSpec
from .data import Data, DataRef
from .kind import Kind, SubmitChecks, with_fields
from .result import JobResult, Shown

Loss = Literal[
    "mse", "mae", "huber", "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"
]
CROSS_ENTROPIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")


class Schedule(Frozen):
    """How the learning rate moves over the whole training.

    Attributes:
        decay: "cosine" and "linear" fall to `final` × the learning rate; "exponential" falls to it geometrically.
        final: share of the learning rate left at the end; must be above 0 for "exponential".
        warmup: share of the training over which the rate first climbs from 0.
    """

    decay: Literal["cosine", "linear", "exponential"]
    final: float = Field(default=0.01, ge=0, le=1)
    warmup: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _exponential_never_reaches_zero(self) -> Self:
        if self.decay == "exponential" and self.final == 0:
            raise InvalidJob("an exponential decay never reaches final=0: give a small share such as 0.01")
        return self


class Optimizer(Frozen):
    """Gradient descent: which rule, and how fast.

    Attributes:
        learning_rate: None takes the rule's usual one: 0.01 for sgd, 0.001 for the others.
        momentum: for sgd and rmsprop only.
        weight_decay: decoupled weight decay, for adamw (0.004 if None) and any other rule that is given one.
    """

    name: Literal["sgd", "adam", "adamw", "rmsprop"] = "adam"
    learning_rate: float | None = Field(default=None, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float | None = Field(default=None, ge=0)
    schedule: Schedule | None = None

    @model_validator(mode="after")
    def _momentum_fits(self) -> Self:
        if self.momentum and self.name not in ("sgd", "rmsprop"):
            raise InvalidJob(f"momentum is for sgd and rmsprop; {self.name} has none: leave it out")
        return self


class EarlyStopping(Frozen):
    """Stop when `monitor` has not improved by `min_delta` for `patience` epochs, and keep the best weights."""

    monitor: Literal["val_loss", "val_accuracy", "loss", "accuracy"] = "val_loss"
    patience: int = Field(default=5, ge=1)
    min_delta: float = Field(default=0.0, ge=0)
    restore_best: bool = True


class Checkpoints(Frozen):
    """How often a training saves where it is; a resumed one goes on from there. The first limit reached saves.

    Attributes:
        epochs, steps, seconds: the interval in each unit; None for no limit in that unit.
        keep: how many to keep; older ones are deleted.
    """

    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=30.0, gt=0)
    keep: int = Field(default=2, ge=1, le=100)


def _by_label(weights: Any) -> Any:
    """Class weights by label as text: labels may be numbers or booleans, too."""
    return {str(label): weight for label, weight in weights.items()} if isinstance(weights, dict) else weights


ClassWeights = Annotated[Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]], BeforeValidator(_by_label)]


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Train(JobSpec):
    """Fit a model to data, and register it as the next version of its name.

    A plain name means its version under the alias `champion`: the first one, until the alias is moved, by `alias` or by
    a `Deploy` job. `name@latest` is the newest one.

    Attributes:
        model: the name to register the result under.
        alias: what shall point at the new version, such as "champion"; None moves no alias.
        data: what to learn from: `sample://digits`, or a path, URL, glob or folder of files; or `Data`, which says how
            to read them.
        architecture: the network.
        target: the column to predict; None takes the one named target, label, class or y.
        features: the columns to predict from; None takes all but the target.
        task: None reads it off the target: text, booleans and integers are classes, other numbers are regression.
        validation_data: a data reference to validate on, instead of a share of `data`.
        validation_split: share of the rows held out for validation; 0 for none, also by validation_data.
        epochs: passes over the data.
        batch_size: rows per gradient step.
        loss: None fits the target: mse for numbers, else the cross-entropy.
        from_logits: whether the cross-entropy takes raw scores; None reads it off the last layer.
        normalize: centre and scale number columns by the training data, inside the saved model.
        class_weights: weight of each class in the loss; "balanced" weighs by rarity.
        limits: the least and the most that these columns may be in predictions, which refuse rows beyond; what training
            has seen is no limit of its own.
        seed: two runs with one seed and one machine give equal weights; None draws one.
        precision: "mixed" computes in float16 (GPU) or bfloat16 (CPU, TPU) and keeps float32 weights.
        formats: the files to save the model as.
        workers: how many slots of one fleet train it together, in step; each takes its part of every batch, so that the
            losses are those of one worker with the same batch_size. They start together, once so many are free.
    """

    kind: Literal["train"] = "train"
    model: ModelName
    alias: Alias | None = None
    data: DataRef
    architecture: Architecture = MLP()
    target: str | None = None
    features: tuple[str, ...] | None = Field(default=None, min_length=1)
    task: Literal["classification", "regression"] | None = None
    validation_data: DataRef | None = None
    validation_split: float = Field(default=0.1, ge=0, lt=1)
    epochs: int = Field(default=10, ge=1, le=1_000_000)
    batch_size: int = Field(default=32, ge=1, le=1_048_576)
    loss: Loss | None = None
    from_logits: bool | None = None
    optimizer: Annotated[Optimizer, BeforeValidator(_named)] = Optimizer()
    normalize: bool = True
    early_stopping: EarlyStopping | None = None
    class_weights: ClassWeights | None = None
    limits: dict[str, tuple[float, float]] = Field(default_factory=dict)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    precision: Literal["float32", "mixed"] = "float32"
    checkpoint: Checkpoints = Checkpoints()
    formats: tuple[Literal["keras", "h5"], ...] = Field(default=("keras",), min_length=1)
    workers: int = Field(default=1, ge=1, le=256)

    @model_validator(mode="before")
    @classmethod
    def _validation_data_needs_no_split(cls, data: Any) -> Any:
        """With data to validate on, none is split off, unless that is asked for too, which is refused below."""
        if isinstance(data, dict) and data.get("validation_data") is not None and "validation_split" not in data:
            return {**data, "validation_split": 0.0}
        return data

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        output = getattr(self.architecture, "output", "auto")
        if self.from_logits is not None and self.loss is not None and self.loss not in CROSS_ENTROPIES:
            raise InvalidJob(f"from_logits is for a cross-entropy; loss={self.loss!r} takes numbers: leave it out")
        if self.from_logits and output in ("softmax", "sigmoid"):
            raise InvalidJob(
                f"output={output!r} already gives probabilities, from_logits=True would squash them a second time: "
                "drop one of the two"
            )
        if self.from_logits is False and output == "linear" and self.loss in CROSS_ENTROPIES:
            raise InvalidJob("output='linear' gives raw scores, which from_logits=False would read as probabilities")
        if self.task == "regression" and self.loss in CROSS_ENTROPIES:
            raise InvalidJob(f"loss={self.loss!r} is for classes; task='regression' wants mse, mae or huber")
        if self.task == "classification" and self.loss in ("mse", "mae", "huber"):
            raise InvalidJob(f"loss={self.loss!r} is for numbers; task='classification' wants a cross-entropy")
        if self.validation_data is not None and self.validation_split:
            raise InvalidJob("give validation_data or validation_split, not both: validation_split=0 splits off none")
        for name, (least, most) in self.limits.items():
            if not least <= most:
                raise InvalidJob(f"limits of {name!r} must be (least, most), got ({least:g}, {most:g})")
        if self.workers > self.batch_size:
            raise InvalidJob(
                f"{self.workers} workers cannot share batches of {self.batch_size} rows: give a larger batch_size or "
                "fewer workers"
            )
        stop = self.early_stopping
        if stop and stop.monitor.startswith("val_") and not (self.validation_data or self.validation_split):
            raise InvalidJob(f"early stopping watches {stop.monitor}, but there is no validation data: set one")
        return self


class TrainResult(JobResult):
    """What a training gives.

    Attributes:
        model: the exact reference of the new version, e.g. "digits@1".
        metrics: the last epoch's metrics (the best one's where early stopping restored it).
        history: every metric, one number per epoch.
        epochs: how many epochs ran.
        rows: how many rows were trained on.
        parameters: how many numbers the model has learned.
        seed: the seed used.
        run_s: seconds from the start of the attempt that finished.
        files: model files by format, "history" (JSON) and "tensorboard" (a zip of its log folder, unless it could not
            be written).
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

    def gives_model(self) -> str | None:
        return self.model

    def shown(self) -> Shown:
        cost = f"{self.epochs} epochs on {self.rows:,} rows in {self.run_s:.1f} s, {self.parameters:,} parameters"
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        return Shown(self.model, metrics, notes=(f"{cost}, seed {self.seed}",), files=self.files)


def _check(spec: Train, checks: SubmitChecks) -> Train:
    def preflight(data: str | Data) -> str | Data:
        return checks.preflight(data, target=spec.target, features=spec.features)

    data = preflight(spec.data)
    validation_data = None if spec.validation_data is None else preflight(spec.validation_data)
    return with_fields(spec, data=data, validation_data=validation_data)


KIND = Kind(
    name="train",
    spec=Train,
    queue="train",
    usual_s=60.0,
    gains_by_gpu=True,
    reads=(),
    makes="model",
    summary=lambda spec: f"{spec.model}, {spec.data}, epochs={spec.epochs}",
    slots=lambda spec: spec.workers,
    checkpoints=lambda spec: spec.checkpoint.keep,
    check=_check,
)
