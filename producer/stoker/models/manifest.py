"""Descriptions of artifacts, signatures and model versions, as the store and the registry hold them."""

from datetime import datetime
from math import prod
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from .columns import ColumnKind, Scaling
from .described import Described
from .learned_from import LearnedFrom

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
CHAMPION = "champion"
"""The alias that a plain model name means."""
LATEST = "latest"
"""What stands for a model's newest version; no alias can have this name."""


def _moves(alias: str) -> str:
    if alias == LATEST:
        raise ValueError("'latest' is always the newest version and cannot be moved: choose another alias")
    return alias


Alias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,31}$"), AfterValidator(_moves)]
# "name", "name@3", "name@alias", "name@latest"; or a model that a job trains: "job:<id>", or "#0" for the first spec of
# a submit.
ModelRef = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9][a-z0-9._-]{0,63}(@[a-z0-9][a-z0-9._-]{0,31})?|job:[A-Za-z0-9-]{1,64}|#[0-9]{1,4})$"
    ),
]


class Artifact(Described):
    """Bytes in the store, named by their content.

    Attributes:
        name: the file name, e.g. "model.keras"; its suffix is the format.
        digest: SHA-256 of the bytes, 64 hex digits.
        size: length in bytes.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(ge=0)


class TensorSpec(Described):
    """One input or output of a model.

    Columns of one kind share a tensor: numbers and booleans as numbers with NaN for missing ones, categories as text,
    times as microseconds since 1970 (UTC). Other kinds have a tensor for each column.

    Attributes:
        name: the tensor's or the column's name.
        shape: sizes after the batch dimension; None where it may vary.
        dtype: a numpy dtype name, or "string".
        low, high: the range in the training data, per tensor; None for strings.
        kind: how rows of data become this tensor; None if they are the tensor's numbers or texts already.
        gaps: whether values may be missing.
        columns: the data columns of the tensor's last axis, in order; empty if it had none.
        limits: minimum and maximum of the tensor or a column, by name; rows outside are refused.
        tensor: what the model's file calls it, where that is another name.
    """

    name: str
    shape: tuple[int | None, ...] = ()
    dtype: str
    low: float | None = None
    high: float | None = None
    kind: ColumnKind | None = None
    gaps: bool = False
    columns: tuple[str, ...] = ()
    limits: dict[str, tuple[float, float]] = Field(default_factory=dict)
    tensor: str | None = None

    @property
    def own_name(self) -> str:
        """What the model's file calls it."""
        return self.name if self.tensor is None else self.tensor


class Forecasting(Described):
    """How the windows that a model takes are cut from a table.

    Attributes:
        window, horizon: how many steps the model takes, and how many it predicts.
        time: the column with the time of each row.
        series: the column that tells series apart; None for a single one.
        channels: the columns of a window's last axis; the first is what is predicted.
        booleans: those of them that hold yes and no, as booleans or words.
        step: from one row to the next, in µs, or in the unit of times that are numbers; None where rows are not evenly
            spaced, and are taken as they follow each other, or lie whole months apart.
        months: how many months lie between one row and the next; None where that is not so.
        times: whether the times are dates and times, not numbers.
        season: after how many steps the values come again, in training; None where that is not so.
    """

    window: int
    horizon: int
    time: str
    series: str | None = None
    channels: tuple[str, ...]
    booleans: tuple[str, ...] = ()
    step: float | None = None
    months: int | None = None
    times: bool = True
    season: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that are read."""
        return (*self.channels, self.time, *((self.series,) if self.series else ()))


Task = Literal["binary", "multiclass", "multilabel", "regression", "pixels", "reconstruction", "several"]


class Signature(Described):
    """The inputs and outputs of a model.

    Attributes:
        inputs: one tensor, or one for each column if columns have different types.
        outputs: the model's outputs.
        task: the meaning of the only output; "several" where there are more.
        classes: the label of each output unit, in order; empty for regression.
        target: the column that the model predicts; None if the data had no column names, or it predicts several.
        columns: the columns that the output's units are, in order, if there are several; of a reconstruction, always.
        logits: whether the outputs for classes are raw scores, not probabilities.
        parts: the meaning of each output by its name, as that of a model without inputs; empty for a single output.
        forecast: how the only input is cut from a table, for a model that continues a series; else None.
        spreads: standard deviations in training, in which a reconstruction's error is measured: of each number of a
            row, or one of all; empty for other tasks.
        batch: how many rows every call takes, for a model that takes neither more nor fewer; else None.
        entry: which of a SavedModel's functions is called; None for other models.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    task: Task
    classes: tuple[str, ...] = ()
    target: str | None = None
    columns: tuple[str, ...] = ()
    logits: bool = False
    parts: dict[str, "Signature"] = Field(default_factory=dict)
    forecast: Forecasting | None = None
    spreads: tuple[float, ...] = ()
    batch: int | None = None
    entry: str | None = None

    @property
    def each(self) -> dict[str, "Signature"]:
        """The meaning of each output by its name, also of the only one."""
        return self.parts or {self.outputs[0].name: self}

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns that the model predicts; none if the data had no names, or it reconstructs what it takes."""
        if self.task == "reconstruction":
            return ()
        if self.parts:
            return tuple(name for part in self.parts.values() for name in part.target_columns)
        return self.columns or ((self.target,) if self.target is not None else ())

    @property
    def prediction_names(self) -> tuple[str, ...]:
        """The columns of a table of predictions: label and probabilities, or numbers.

        Of labels that hold at once, each has a probability and whether it is predicted; a reconstruction has its error.
        Of several outputs, names begin with the output's.
        """
        if self.parts:
            return tuple(f"{name}_{each}" for name, part in self.parts.items() for each in part.prediction_names)
        if self.task == "pixels":
            return ("mask",)
        if self.task == "multilabel":
            return tuple(f"{what}_{label}" for what in ("label", "probability") for label in self.classes)
        if self.classes:
            return ("label", *(f"probability_{label}" for label in self.classes))
        if self.task == "reconstruction":
            # A table has no place for a picture, but for how well it is reconstructed.
            return (*(self._number_names if len(self.outputs[0].shape) == 1 else ()), "error")
        return self._number_names

    @property
    def _number_names(self) -> tuple[str, ...]:
        units = prod(size or 1 for size in self.outputs[0].shape)
        if self.columns:
            return tuple(f"value_{column}" for column in self.columns)
        return ("value",) if units == 1 else tuple(f"value_{unit}" for unit in range(units))


class LearnedColumn(Described):
    """What a training made of a column, and why.

    Attributes:
        kind: "ignore" where it was left out.
        missing: the share of the training rows in which it is missing; None where it was not looked at.
        doubt: what else it may be, and which setting says so; None if nothing.
        scaling: of numbers, where the job says how they are scaled; None for the usual one.
    """

    name: str
    kind: ColumnKind
    why: str
    missing: float | None = None
    doubt: str | None = None
    scaling: Scaling | None = None


class Optimized(Described):
    """What was done to a version to make a smaller or quicker one of it.

    Attributes:
        form: "int8", "prune", …
        words: what was done, in a sentence.
        figures: what was done, in numbers, by name.
        headline: the metric that was measured before and after, on the same rows.
        before, after: its values.
        data: what they were measured on.
    """

    form: str
    words: str
    figures: dict[str, float] = Field(default_factory=dict)
    headline: str
    before: float
    after: float
    data: str


class ModelManifest(Described):
    """A trained model before its registration: a version without a number.

    Attributes:
        name: the model's name.
        signature: its inputs and outputs.
        metrics: the final training and validation metrics; of an optimised version, those that were measured of it.
        files: the saved model by format, e.g. {"keras": …}; see `model_files`.
        parameters: the number of its parameters.
        job: id of the job that trained or imported it.
        data: reference of the training data, of several with " + " between them; empty where only the model's author
            knows it.
        learned_from: the training data as they can be read again, and which rows it was validated on; None in versions
            that an older Stoker registered, or that were imported.
        parent: reference of the model that it was trained from, or made of by an optimisation, if any.
        columns: what was made of each column but the target, the first thousand of them; empty in versions that an
            older Stoker registered.
        task_why: why the task was taken for what it is.
        split: which rows it was validated on, in words.
        source: the file that it was imported from; empty for a model that was trained here.
        modules: the author's modules with classes that it is made of, each with the distribution and version that it
            was made with, such as "shop 1.4"; empty if it is of none.
        tensorflow_why: why TensorFlow alone computes it, and no quicker engine is tried; empty where others are, and
            in versions that an older Stoker registered.
        optimized: what was done to its parent to make it; None if it was trained or imported.
        tuned: the trial whose settings it was trained with, in words; empty if it is of none.
    """

    name: ModelName
    signature: Signature
    metrics: dict[str, float]
    files: dict[str, Artifact]
    parameters: int = Field(ge=0)
    job: str
    data: str
    learned_from: LearnedFrom | None = None
    parent: str | None = None
    columns: tuple[LearnedColumn, ...] = ()
    task_why: str = ""
    split: str = ""
    source: str = ""
    modules: dict[str, str] = Field(default_factory=dict)
    tensorflow_why: str = ""
    optimized: Optimized | None = None
    tuned: str = ""

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The references of all data that it was trained on."""
        return tuple(used.ref for used in self.learned_from.data) if self.learned_from else (self.data,)


class ModelVersion(ModelManifest):
    """An immutable version in the registry.

    Attributes:
        version: 1, 2, 3, …
        created_at: when it was registered, UTC.
        aliases: the aliases that point to it at the time of reading.
        note: what people have noted of it, at the time of reading.
    """

    version: int = Field(ge=1)
    created_at: datetime
    aliases: tuple[str, ...] = ()
    note: str = ""

    @property
    def ref(self) -> str:
        """The exact reference, e.g. "digits@3"."""
        return f"{self.name}@{self.version}"

    def _repr_html_(self) -> str:
        from ..terminal.html import table  # what only notebooks need

        signature = self.signature
        shown = {
            "model": ", ".join((self.ref, *self.aliases)),
            "registered": f"{self.created_at:%Y-%m-%d %H:%M:%S} UTC",
            "takes": ", ".join(name for tensor in signature.inputs for name in tensor.columns or (tensor.name,)),
            "predicts": ", ".join(signature.target_columns),
            "task": signature.task,
            "classes": ", ".join(signature.classes),
            "metrics": "  ".join(f"{name} {value:.4g}" for name, value in self.metrics.items()),
            "parameters": f"{self.parameters:,}",
            "trained from": self.parent or "",
            "trained on": " + ".join(self.trained_on),
        }
        return table(("", ""), ((name, value) for name, value in shown.items() if value))
