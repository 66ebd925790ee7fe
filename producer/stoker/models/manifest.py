"""What the store and the registry describe: artifacts, signatures, model versions."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Alias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,31}$")]
# "name", "name@3", "name@alias"; or the model that a job makes: "job:<id>", or "#0" for the first spec of a submit.
ModelRef = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9][a-z0-9._-]{0,63}(@[a-z0-9][a-z0-9._-]{0,31})?|job:[A-Za-z0-9-]{1,64}|#[0-9]{1,4})$"
    ),
]


class Described(BaseModel):
    """A frozen description. Fields that it does not know are a newer version's, and are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


class Artifact(Described):
    """Bytes in the store, named by their content.

    Attributes:
        name: the file name, e.g. "model.keras"; its suffix tells the format.
        digest: SHA-256 of the bytes, 64 hex digits.
        size: length in bytes.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(ge=0)


class TensorSpec(Described):
    """One input or output of a model.

    Attributes:
        name: the tensor's or the column's name.
        shape: sizes after the batch dimension; None where it may vary.
        dtype: a numpy dtype name, or "string".
        low, high: the range seen in training, per tensor; None for strings.
        columns: the data columns behind a vector of numbers, in order; empty where there were none.
        limits: the least and the most that the tensor or a column may be, by name; rows beyond are refused.
    """

    name: str
    shape: tuple[int | None, ...] = ()
    dtype: str
    low: float | None = None
    high: float | None = None
    columns: tuple[str, ...] = ()
    limits: dict[str, tuple[float, float]] = Field(default_factory=dict)


class Signature(Described):
    """What a model takes and gives.

    Attributes:
        inputs: one tensor, or one per column where columns have types of their own.
        outputs: the model's outputs.
        task: what the outputs mean.
        classes: the label of each output unit, in order; empty for regression.
        target: the column the model was trained to predict; None where the data had no column names.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...] = ()
    target: str | None = None


class ModelManifest(Described):
    """A trained model on its way into the registry: a version without its number.

    Attributes:
        name: the model's name.
        signature: what it takes and gives.
        metrics: the final training and validation metrics.
        files: the serialised model by format, e.g. {"keras": …}.
        parameters: how many numbers it has learned.
        job: id of the job that made it.
        data: the data reference it was trained on.
        parent: the reference of the model it started from, if any.
    """

    name: ModelName
    signature: Signature
    metrics: dict[str, float]
    files: dict[str, Artifact]
    parameters: int = Field(ge=0)
    job: str
    data: str
    parent: str | None = None


class ModelVersion(ModelManifest):
    """An immutable version in the registry.

    Attributes:
        version: 1, 2, 3, …
        created_at: when the registry took it (UTC).
        aliases: the aliases that point here at the time of reading.
    """

    version: int = Field(ge=1)
    created_at: datetime
    aliases: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """The exact reference, e.g. "digits@3"."""
        return f"{self.name}@{self.version}"
