"""Descriptions of artifacts and model versions, as the store and the registry hold them."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from .columns import ColumnKind, Scaling
from .described import Described
from .learned_from import LearnedFrom
from .signature import Signature

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
