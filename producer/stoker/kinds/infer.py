"""The bulk `Infer` job: predictions for a whole data set. Single requests go through `Client.infer`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..errors import InvalidJob
from ..models.manifest import Artifact, ModelRef
from ..models.signature import Signature
from .accepts import Accepts
from .base import JobSpec
from .data import DataRef
from .kind import Kind, SubmitChecks, preflight_for, with_fields
from .result import JobResult, Shown

Row = Annotated[int, Field(ge=0)]


class Infer(JobSpec["InferResult"]):
    """Predict every row of a data set and write the predictions to the store, in order, in chunks.

    A .npy holds the model's output as it is. A table (parquet, csv) holds what it means, as `Client.predict` says it:
    the columns "label" and "probability_<class>" for each class or, for numbers, "value", or "value_0", "value_1", …;
    "label_<label>" and "probability_<label>" for each of labels that hold at once. Columns of several outputs begin
    with the output's name.

    Attributes:
        model: a model reference; it must exist when the job is submitted.
        data: the rows; a target column, where there is one, is ignored. A `sample://` set gives its test part.
        batch_size: rows per forward pass.
        chunk_rows: rows per file of predictions.
        format: of the files.
        columns: columns of the data that a table of predictions begins with, such as a key.
        rows: only these rows, from the first up to but not including the second, counted from 0; None for all.
    """

    kind: Literal["infer"] = "infer"
    model: ModelRef
    data: DataRef
    batch_size: int = Field(default=256, ge=1, le=1_048_576)
    chunk_rows: int = Field(default=65_536, ge=1, le=16_777_216)
    format: Literal["npy", "parquet", "csv"] = "npy"
    columns: Accepts[tuple[str, ...], list[str]] = Field(default=(), max_length=1_000, validate_default=True)
    rows: tuple[Row, Row] | None = None

    @model_validator(mode="after")
    def _rows_are_some(self) -> Self:
        if self.rows and self.rows[0] >= self.rows[1]:
            raise InvalidJob(f"rows={self.rows} names none: give the first and the one behind the last, counted from 0")
        return self

    @model_validator(mode="after")
    def _columns_have_a_table(self) -> Self:
        if self.columns and self.format == "npy":
            raise InvalidJob("columns are written beside predictions in a table: set format to 'parquet' or 'csv'")
        if len(set(self.columns)) < len(self.columns):
            raise InvalidJob(f"columns names one twice: {', '.join(self.columns)}")
        return self


class InferResult(JobResult):
    """Where the predictions are.

    Attributes:
        model: the exact reference that predicted.
        rows: how many rows were predicted.
        chunks: files of predictions in the job's format, in the order of the rows.
        rows_per_s: rows predicted per second, reading and writing included.
    """

    kind: Literal["infer"] = "infer"
    model: str
    rows: int
    chunks: tuple[Artifact, ...]
    rows_per_s: float

    def shown(self) -> Shown:
        files = {f"chunk {number}": chunk for number, chunk in enumerate(self.chunks)}
        return Shown(self.model, f"predicted {self.rows:,} rows, {self.rows_per_s:,.0f}/s", files=files)


def refuse_namesakes(spec: Infer, signature: Signature) -> None:
    """Refuse columns of the data that have the name of a column of predictions.

    Raises:
        InvalidJob: one has.
    """
    for name in set(spec.columns).intersection(signature.prediction_names):
        raise InvalidJob(f"columns names {name!r}, as a column of predictions is called; rename it in the data")


def refuse_arrays(spec: Infer, signature: Signature) -> None:
    """Refuse to write several outputs into a single array.

    Raises:
        InvalidJob: it is asked for.
    """
    if spec.format == "npy" and signature.parts:
        raise InvalidJob(
            f"{spec.model} has the outputs {', '.join(signature.parts)}, and a .npy holds one array: set format to "
            "'parquet' or 'csv'"
        )


def _check(spec: Infer, checks: SubmitChecks) -> Infer:
    if version := checks.version(spec.model):
        refuse_namesakes(spec, version.signature)
        refuse_arrays(spec, version.signature)
    return with_fields(spec, data=preflight_for(spec.model, spec.data, checks, labelled=False))


def _summary(spec: Infer) -> str:
    rows = f", rows {spec.rows[0]} to {spec.rows[1] - 1}" if spec.rows else ""
    return f"{spec.model}, {spec.data}{rows}"


KIND = Kind(
    name="infer",
    spec=Infer,
    queue="batch",
    usual_s=20.0,
    summary=_summary,
    may_have_children=lambda spec: spec.rows is None,
    predicts=True,
    differs=lambda _: "",
    check=_check,
)
