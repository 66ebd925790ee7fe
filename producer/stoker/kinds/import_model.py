"""The `Import` job: a model that was made elsewhere becomes a version like those that are trained here."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from ..errors import InvalidJob
from ..models.manifest import Alias, Artifact, ModelName
from ..models.model_files import ModelFormat, format_of_model
from .base import Frozen, JobSpec, SaysNone, several
from .kind import Kind, SubmitChecks, with_fields
from .needs import Modules, module_word
from .result import JobResult, Shown
from .training.outputs import TargetTask

ONLY = ""
"""What an input or output is called where a model has one, and it is named by nobody."""

_Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Classes = Annotated[tuple[_Name, ...], Field(max_length=100_000)]
_Dimension = Annotated[int, Field(ge=1, le=2**31)]


class ImportedInput(Frozen):
    """What is said of one input, rather than read off the model.

    Attributes:
        name: what apps call it; None for the name in the model.
        columns: the columns of data that its last axis is, in order.
        kind: "image" where rows are pictures of any size; "category" for the texts of several columns, "text" for one.
        dtype: "float32" where rows are the real numbers of an input that takes them quantised.
        shape: of a row, where the model leaves sizes open; None for an axis that stays so.
    """

    name: _Name | None = None
    columns: Annotated[tuple[_Name, ...], Field(max_length=100_000)] = ()
    kind: Literal["number", "category", "text", "image"] | None = None
    dtype: Literal["float32"] | None = None
    shape: tuple[_Dimension | None, ...] | None = None


class ImportedOutput(Frozen):
    """What is said of one output, rather than read off the model.

    Attributes:
        name: what apps call it; None for the name in the model.
        task: what it means: "classification", "multilabel", "regression" or "pixels".
        classes: the label of each of its units, in order.
        target: the column that has the truth, for evaluations.
        logits: whether it gives raw scores for classes, not probabilities.
    """

    name: _Name | None = None
    task: TargetTask | None = None
    classes: _Classes = ()
    target: _Name | None = None
    logits: bool | None = None


def _inputs(value: Any) -> Any:
    """What each is, by its name; columns alone are those of the only one."""
    if isinstance(value, list | tuple):
        return {ONLY: {"columns": value}}
    if isinstance(value, Mapping):
        return {name: _input(each) for name, each in value.items()}
    return value


def _input(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    return {"columns": value} if isinstance(value, list | tuple) else value


def _outputs(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: {"name": each} if isinstance(each, str) else each for name, each in value.items()}
    return {name: {} for name in value} if isinstance(value, list | tuple) else value


class Import(SaysNone, JobSpec["ImportResult"]):
    """Check a model's file, read off what it takes and gives, try it, and register it as a version.

    Attributes:
        model: the name to register it under.
        source: a path or URL that workers may read, or a file in the store; `Client.register` puts it there.
        origin: how its author calls the file, where that is in the store; `Client.register` notes it.
        format: None reads it off the file's name.
        inputs: by the name in the model: what is said of it (`stoker.ImportedInput`), another name, or columns. A list
            of columns alone is that of the only input.
        outputs: those to be served, by the name in the model: what is said of each (`stoker.ImportedOutput`), or
            another name. Empty serves all.
        task, classes, target, logits: of the only output; see `stoker.ImportedOutput`.
        metrics: what its author has measured, by name.
        entry: which function of a SavedModel is served.
        modules: where functions of yours are registered that a .keras file has as activations: it says only by which
            name. Of classes it says so itself.
        alias: what shall point at the new version, besides its number.
        timeout: as of every job; an hour by default, for a file may hold a loop without end.
    """

    kind: Literal["import"] = "import"
    model: ModelName
    source: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | Artifact
    origin: _Name | None = None
    format: ModelFormat | None = None
    inputs: Annotated[dict[str, ImportedInput], BeforeValidator(_inputs), Field(max_length=1_000)] = Field(
        default_factory=dict
    )
    outputs: Annotated[dict[str, ImportedOutput], BeforeValidator(_outputs), Field(max_length=1_000)] = Field(
        default_factory=dict
    )
    task: TargetTask | None = None
    classes: _Classes = ()
    target: _Name | None = None
    logits: bool | None = None
    metrics: dict[_Name, float] = Field(default_factory=dict, max_length=1_000)
    entry: _Name | None = None
    modules: Annotated[Modules, BeforeValidator(several)] = ()
    alias: Alias | None = None
    timeout: float | None = Field(default=3_600, gt=0)

    @property
    def source_name(self) -> str:
        """What it is imported from, in words."""
        return self.origin or self._place

    @property
    def _place(self) -> str:
        return self.source.name if isinstance(self.source, Artifact) else self.source

    @property
    def file_format(self) -> ModelFormat:
        """The format of the file.

        Raises:
            InvalidJob: its name does not tell.
        """
        return self.format or format_of_model(re.sub(r"[?#].*", "", self._place))

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        known = self.file_format
        if self.entry is not None and known != "savedmodel":
            raise InvalidJob(f"entry names a function of a SavedModel, and {self.source_name} is {known}: leave it out")
        said = self.task or self.classes or self.target or self.logits is not None
        if said and self.outputs:
            raise InvalidJob("task, classes, target and logits are those of the only output: put them into outputs")
        for what, names in (
            ("inputs", [each.name or name for name, each in self.inputs.items()]),
            ("outputs", [each.name or name for name, each in self.outputs.items()]),
            ("classes", self.classes),
        ):
            if len(set(names)) < len(names):
                raise InvalidJob(f"{what} names one twice; give each a name of its own")
        return self


class ImportResult(JobResult):
    """What an import gives.

    Attributes:
        model: the reference of the new version.
        format: of its file.
        parameters: how many numbers it has learned.
        notes: what was taken for what, and why.
    """

    kind: Literal["import"] = "import"
    model: str
    format: str
    parameters: int
    notes: tuple[str, ...] = ()

    def gives_model(self) -> str | None:
        return self.model or None

    def shown(self) -> Shown:
        return Shown(self.model, f"{self.format}, {self.parameters:,} parameters", notes=self.notes)


def _check(spec: Import, checks: SubmitChecks) -> Import:
    return spec if isinstance(spec.source, Artifact) else with_fields(spec, source=checks.file(spec.source))


KIND = Kind(
    name="import",
    spec=Import,
    queue="batch",
    usual_s=10.0,
    reads=(),
    makes="model",
    checkpoints=lambda _: 0,
    summary=lambda spec: f"{spec.model}, {spec.source_name}",
    needs=lambda spec: tuple(map(module_word, spec.modules)),
    check=_check,
)
