"""The `Run` job: a function of the user's own package, for which no kind of ours is needed."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from ..errors import InvalidJob
from ..models.manifest import Artifact
from ..models.uploads import SCHEME as UPLOADS
from .base import JobSpec, Plain, plain
from .kind import Kind, SubmitChecks
from .needs import FUNCTION, function_word
from .problems import short
from .result import JobResult, Shown
from .tuning.trial import Trial

CONTEXT = "run"
"""The parameter of a function that gets its context, and is none of its arguments."""


class Run(JobSpec["RunResult"]):
    """Call a function of yours: `Run("shop.jobs:train_ranker", {"weeks": 8}, device="gpu")`.

    A worker imports it, and calls it with the arguments by their names, if its settings list it under `functions`. A
    parameter that is called `run` is no argument: it gets the function's context, see `stoker_workers.Run`. What the
    function returns must be plain data, as JSON has it.

    Attributes:
        function: where it is, "package.module:function".
        arguments: plain data, by the names of the parameters.
        seed: what `run.seed` gives; None for a number of the job's own, which all its attempts share.
        trial: which trial of a `Tune` it is; such a job registers nothing and keeps no files.
    """

    kind: Literal["run"] = "run"
    function: Annotated[str, StringConstraints(pattern=f"^{FUNCTION}$", max_length=200)]
    arguments: Plain = Field(default_factory=dict)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    trial: Trial | None = None

    if TYPE_CHECKING:

        def __init__(self, function: str, arguments: Mapping[str, object] | None = None, **fields: Any) -> None: ...

    else:

        def __init__(self, *given: object, **fields: object) -> None:
            names = ("function", "arguments")
            if len(given) > len(names):
                raise InvalidJob(f"Run takes a function and its arguments, and other fields by name; got {given!r}")
            super().__init__(**dict(zip(names, given, strict=False)), **fields)

    @model_validator(mode="after")
    def _arguments_have_names(self) -> Self:
        for name in self.arguments:
            if not name.isidentifier() or name == CONTEXT:
                raise InvalidJob(
                    f"arguments has {name!r}: expected the name of a parameter of {self.function}"
                    + (", and run is its context, which the worker gives" if name == CONTEXT else "")
                )
        return self


class RunResult(JobResult):
    """What a function gave.

    Attributes:
        value: what it returned, as plain data.
        models: the exact references of the versions that it registered.
        files: its artifacts, by the names that it gave them.
        seed: what `run.seed` was.
        run_s: seconds of the attempt that ended it.
    """

    kind: Literal["run"] = "run"
    function: str
    value: Annotated[Any, BeforeValidator(plain)] = None
    models: tuple[str, ...] = ()
    files: dict[str, Artifact] = Field(default_factory=dict)
    seed: int
    run_s: float

    def gives_model(self) -> str | None:
        return self.models[0] if len(self.models) == 1 else None

    def with_version(self, field: str, ref: str) -> Self:
        return self.model_copy(update={field: (*self.models, ref)})

    def words(self) -> str:
        return f"{self.function} gave {short(self.value)}"

    def shown(self) -> Shown:
        return Shown(
            self.function,
            f"gave {short(self.value)}",
            notes=tuple(f"registered {model}" for model in self.models),
            files=self.files,
        )


def _summary(spec: Run) -> str:
    trial = [] if spec.trial is None else [str(spec.trial)]
    return ", ".join([*trial, spec.function, *(f"{name}={short(value)}" for name, value in spec.arguments.items())])[
        :200
    ]


def _check(spec: Run, checks: SubmitChecks) -> Run:
    for text in _texts(spec.arguments):
        if text.startswith(f"{UPLOADS}://"):
            checks.file(text)
    return spec


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for each in value.values():
                yield from _texts(each)
        case list() | tuple():
            for each in value:
                yield from _texts(each)


KIND = Kind(
    differs=lambda _: "is not for Run: what a function does is its worker's code, which nobody knows at the submit",
    name="run",
    spec=Run,
    queue="train",
    usual_s=60.0,
    reads=(),
    may_have_children=lambda _: True,
    needs=lambda spec: (function_word(spec.function),),
    summary=_summary,
    check=_check,
)
