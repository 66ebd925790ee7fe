"""What a model takes and gives: its tensors, and what they mean."""

from math import prod
from typing import Literal

from pydantic import Field

from .columns import ColumnKind
from .described import Described


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
