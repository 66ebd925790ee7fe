"""The `Train` job: fit a model to data and register it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ..errors import InvalidJob
from ..models.manifest import Alias, ModelName, ModelRef
from .accepts import Accepts
from .base import JobSpec
from .data import Data, DataRef, OptionalDataRef
from .kind import Kind, SubmitChecks, preflight_for, with_fields
from .training.architecture import Architecture, Pretrained, weights_between
from .training.fitting import Checkpoints, EarlyStopping, Optimizer, OptimizerName, Plateau, refuse_wrong_monitor
from .training.forecast import Forecast, refuse_wrong_forecast
from .training.images import Augment, ImageSize
from .training.keras_custom import refuse_custom_h5
from .training.memory_plan import memory_plans
from .training.outputs import (
    CLASS_LOSSES,
    ClassWeights,
    LearnedTask,
    Loss,
    Metrics,
    Output,
    Targets,
    check_task,
    refuse_wrong_outputs,
)
from .training.own_code import differs, needs_of_own, network_modules
from .training.reconstruction import refuse_wrong_reconstruction
from .training.roles import refuse_contradicting_roles
from .training.scaling import Scalings, refuse_wrong_scaling
from .training.splits import Column, refuse_wrong_split
from .training.starting import FreezePatterns, only_target, refuse_wrong_start, refuse_wrong_version
from .training.trained import TrainResult
from .tuning.trial import Trial


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _no_data() -> str:
    raise InvalidJob("Train.data is missing: give it a value")


class Train(JobSpec[TrainResult]):
    """Fit a model to data, and register it as the next version of its name.

    A plain name means its version under the alias `champion`: the first one, until the alias is moved, by `alias` or by
    a `Deploy` job. `name@latest` is the newest one.

    Attributes:
        model: the name to register the result under.
        alias: what shall point at the new version, such as "champion"; None moves no alias.
        data: what to learn from: `sample://digits`, or a path, URL, glob or folder of files; or `Data`, which says how
            to read them.
        add_data: learn from these rows and from all that the version of init_from was trained on, shuffled together as
            one table; `data` is left out. The rows that the version was validated on stay what is validated on, and no
            others are held out, so that its metrics and the new ones can be compared.
        architecture: the network; None takes an MLP, or for pictures a CNN.
        init_from: go on from this version, as it is when the job is submitted: with its network and weights, its
            columns, and what prepares them, whose means and vocabularies stay those of its own training. If the data
            have classes that it does not know, the last layer is a new one, for the classes of the data; each that it
            knows keeps its weights. The optimizer begins anew.
        freeze: the layers that keep their weights, by name or pattern such as "dense*"; with init_from only.
        target: the column to predict; None takes the one named target, label, class or y. Several columns of numbers
            are one output with a unit for each, several of yes and no are labels that hold at once; others are an
            output each.
        outputs: several columns to predict, each an output of its own, and how each is learned.
        features: the columns to predict from; None takes all but the target.
        task: None reads it off the target: text, booleans and integers are classes, other numbers are regression, masks
            of pictures are pixels, and lists of texts or rows of 0 and 1 are labels that hold at once ("multilabel").
            "reconstruction" has no target: what is learned is to give the features back.
        validation_data: a data reference to validate on, instead of a share of `data`.
        validation_split: share of the rows held out for validation; 0 for none, also by validation_data and folds.
        stratify: keep the share of every class, or of every value of the column that is named, on both sides; None does
            so for classes where the rows are in memory, which exact shares need.
        group: a column such as "customer": all rows of one of its values are on one side.
        time: a column of times or numbers: the newest rows are held out, those of one moment together.
        folds: train so many models first, each validated on its part of the rows, as jobs of their own; the model that
            is registered is then trained on all rows. By time, each is trained on what is older than its part.
        fold: of `folds`, counted from 0: train that one alone, and register nothing.
        trial: which trial of a `Tune` it is; such a job registers nothing.
        forecast: learn to continue a series of numbers; the validation rows are then the newest.
        epochs: passes over the data.
        batch_size: rows per gradient step.
        accumulate: add up the gradients of so many batches for each step: it is the step of one batch that is so much
            larger, in the memory of a small one. Batch norm alone sees the small batches.
        budget_s: seconds of training, of all attempts together, after which it ends well: after a step, with
            validation, the best weights if early stopping keeps them, and a version. Reading the data is not counted.
        plateau: lower the learning rate when a metric no longer improves.
        ema: average the weights over the steps, keeping this share of the average at each, such as 0.999; the averages
            are what is validated and saved.
        loss: None fits the target: mse for numbers, else the cross-entropy. A function of yours,
            "package.module:function", takes truth and output of a batch and gives the loss of each row; the worker
            calls it only if its settings list it under `objectives`. "package.module:Class" is a registered Keras loss
            of yours, made without arguments; a worker needs its module under `custom_objects`.
        metrics: what is measured after every epoch, on the rows trained on and on those of validation: of classes
            "accuracy", "auc", "precision", "recall", "f1" (the mean over the classes) and "top_5" and the like; of
            numbers "mae", "rmse", "mape" (in percent, of rows that are not 0) and "r2"; and functions of yours, as for
            `loss`, of which the mean over the rows is taken, and Keras metrics of yours, whose variables are sums over
            rows. None measures the accuracy of classes, "mae" of numbers.
        sample_weight: a column with the weight of each row in loss and metrics, 0 or more; it is no feature.
        from_logits: whether the cross-entropy takes raw scores; None reads it off the last layer.
        normalize: centre and scale number columns by the training data, inside the saved model.
        scaling: how these columns of numbers are scaled, or all of them: "standard" by mean and standard deviation, as
            those that are not named; "robust" by median and quartiles; "quantile" by rank; "log" by the logarithm of 1
            + |x|, with the sign of x, and then as usual.
        class_weights: weight of each class in the loss; "balanced" weighs by rarity.
        limits: the least and the most that these columns may be in predictions, which refuse rows beyond; what training
            has seen is no limit of its own.
        seed: two runs with one seed and one machine give equal weights; None draws one.
        precision: "mixed" computes in float16 (GPU) or bfloat16 (CPU, TPU) and keeps float32 weights; "auto" mixes, in
            bfloat16, only where there is no memory for float32.
        image_size: the height and width that all pictures get, or one number for both; None takes the size that most
            have, or else the median, with 128 at most.
        augment: how pictures vary at random while training.
        formats: the files to save the model as.
        workers: how many slots of one fleet train it together, in step; each takes its part of every batch, so that the
            losses are those of one worker with the same batch_size. They start together, once so many are free.
    """

    kind: Literal["train"] = "train"
    model: ModelName
    alias: Alias | None = None
    data: DataRef = Field(default_factory=_no_data, validate_default=True)
    add_data: OptionalDataRef = Field(default=None, validate_default=True)
    architecture: Architecture | None = None
    init_from: ModelRef | None = None
    freeze: Accepts[FreezePatterns, str | list[str]] = Field(default=(), validate_default=True)
    target: Accepts[Targets | None, list[str]] = Field(default=None, validate_default=True)
    outputs: dict[str, Output] = Field(default_factory=dict, max_length=256)
    features: Accepts[Annotated[tuple[str, ...], Field(min_length=1)] | None, list[str]] = Field(
        default=None, validate_default=True
    )
    task: LearnedTask | None = None
    validation_data: OptionalDataRef = Field(default=None, validate_default=True)
    validation_split: float = Field(default=0.1, ge=0, lt=1)
    stratify: bool | Column | None = None
    group: Column | None = None
    time: Column | None = None
    folds: int | None = Field(default=None, ge=2, le=100)
    fold: int | None = Field(default=None, ge=0)
    trial: Trial | None = None
    forecast: Forecast | None = None
    epochs: int = Field(default=10, ge=1, le=1_000_000)
    batch_size: int = Field(default=32, ge=1, le=1_048_576)
    accumulate: int = Field(default=1, ge=1, le=65_536)
    budget_s: float | None = Field(default=None, gt=0)
    plateau: Plateau | None = None
    ema: float | None = Field(default=None, gt=0, lt=1)
    loss: Loss | None = None
    metrics: Accepts[Metrics | None, str | list[str]] = Field(default=None, validate_default=True)
    sample_weight: str | None = None
    from_logits: bool | None = None
    optimizer: Accepts[Annotated[Optimizer, BeforeValidator(_named)], OptimizerName] = Field(
        default_factory=Optimizer, validate_default=True
    )
    normalize: bool = True
    scaling: Scalings = Field(default_factory=dict)
    early_stopping: EarlyStopping | None = None
    class_weights: Accepts[ClassWeights | None, Mapping[Any, float]] = Field(default=None, validate_default=True)
    limits: dict[str, tuple[float, float]] = Field(default_factory=dict)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    precision: Literal["float32", "mixed", "auto"] = "float32"
    checkpoint: Checkpoints = Field(default_factory=Checkpoints)
    image_size: Accepts[ImageSize | None, int | list[int]] = Field(default=None, validate_default=True)
    augment: Augment | None = None
    formats: tuple[Literal["keras", "h5"], ...] = Field(default=("keras",), min_length=1)
    workers: int = Field(default=1, ge=1, le=256)

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, fields: Any) -> Any:
        """What is added is what the job names as data. A share is validated on where nothing else says what is."""
        if not isinstance(fields, dict):
            return fields
        filled = dict(fields)
        if filled.get("add_data") is not None:
            filled.setdefault("data", filled["add_data"])
        if any(filled.get(name) is not None for name in ("validation_data", "folds", "add_data")):
            filled.setdefault("validation_split", 0.0)
        return filled

    @property
    def targets(self) -> str | tuple[str, ...] | None:
        """The columns to predict; none for a reconstruction, None if their name is conventional."""
        if self.task == "reconstruction":
            return ()
        return tuple(self.outputs) or self.target

    @property
    def registers(self) -> bool:
        """Whether its model becomes a version."""
        return self.fold is None and (self.trial is None or bool(self.trial.note))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_loss()
        refuse_wrong_outputs(self)
        if self.validation_data is not None and self.validation_split:
            raise InvalidJob("give validation_data or validation_split, not both: validation_split=0 splits off none")
        if self.task == "reconstruction":
            refuse_wrong_reconstruction(self)
        refuse_wrong_start(self)
        refuse_wrong_split(self)
        if self.forecast is not None:
            refuse_wrong_forecast(self, self.forecast)
        refuse_wrong_scaling(self)
        refuse_contradicting_roles(self)
        if self.workers > (rows := self.batch_size * self.accumulate):
            raise InvalidJob(
                f"{self.workers} workers cannot share batches of {rows} rows: give a larger batch_size or fewer workers"
            )
        refuse_wrong_monitor(self)
        refuse_custom_h5(self.formats, network_modules(self))
        return self

    def _check_loss(self) -> None:
        output, loss = getattr(self.architecture, "output", "auto"), self.loss
        if self.from_logits is not None and loss is not None and loss not in CLASS_LOSSES:
            raise InvalidJob(f"from_logits is for a cross-entropy; loss={loss!r} takes what it gets: leave it out")
        if self.from_logits and output in ("softmax", "sigmoid"):
            raise InvalidJob(
                f"output={output!r} already gives probabilities, from_logits=True would squash them a second time: "
                "drop one of the two"
            )
        if self.from_logits is False and output == "linear" and loss in CLASS_LOSSES:
            raise InvalidJob("output='linear' gives raw scores, which from_logits=False would read as probabilities")
        check_task(self.task, loss, self.metrics)


def _check(spec: Train, checks: SubmitChecks) -> Train:
    def preflight(data: str | Data) -> str | Data:
        if spec.init_from is not None:
            return preflight_for(spec.init_from, data, checks, target=only_target(spec), labelled=True)
        return checks.preflight(data, target=spec.targets, features=spec.features)

    version = None if spec.init_from is None else checks.version(spec.init_from)
    if version is not None:
        refuse_wrong_version(spec, version)
    data = preflight(spec.data)
    validation_data = None if spec.validation_data is None else preflight(spec.validation_data)
    network = spec.architecture
    if isinstance(network, Pretrained) and network.weights is not None:
        network = network.model_copy(update={"weights": checks.file(network.weights)})
    return with_fields(
        spec,
        data=data,
        add_data=None if spec.add_data is None else data,
        validation_data=validation_data,
        architecture=network,
        # An alias may be moved before a later attempt goes on from this one's checkpoint.
        init_from=spec.init_from if version is None else version.ref,
    )


def _summary(spec: Train) -> str:
    trial = "" if spec.trial is None else f"{spec.trial}, "
    return f"{trial}{spec.model}, {spec.data}, epochs={spec.epochs}"


KIND = Kind(
    name="train",
    spec=Train,
    queue="train",
    usual_s=60.0,
    gains_by_gpu=True,
    reads=("init_from",),
    makes="model",
    summary=_summary,
    slots=lambda spec: spec.workers,
    may_have_children=lambda spec: spec.folds is not None and spec.fold is None,
    checkpoints=lambda spec: spec.checkpoint.keep,
    memory_plans=lambda spec: tuple(map(str, memory_plans(spec))),
    needs=needs_of_own,
    work=lambda spec: {"epochs": spec.epochs, "weights": weights_between(spec.architecture)},
    differs=differs,
    check=_check,
)
