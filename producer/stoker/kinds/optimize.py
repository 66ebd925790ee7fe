"""The `Optimize` job: a smaller or quicker version of a model, measured beside it, and refused if it is much worse."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from ..errors import InvalidJob
from ..models.described import Described
from ..models.manifest import Alias, Artifact, ModelName, ModelRef
from .base import JobSpec
from .compare import ComparedModel
from .data import DataRef
from .evaluate import Interval
from .kind import Kind, SubmitChecks, preflight_for, with_fields
from .needs import module_word, package_word
from .repeatable import why_it_differs
from .result import JobResult, Shown
from .training.architecture import Architecture
from .training.given_network import KerasConfig

Form = Literal["float16", "dynamic", "int8", "int4", "prune", "sparse", "distil"]
Goal = Literal["latency", "bytes", "memory"]
FORMS: tuple[Form, ...] = get_args(Form)
LADDER: tuple[Form, ...] = ("float16", "dynamic", "int8", "int4", "prune")
"""What `goal` tries: `sparse` is neither quicker nor smaller, and `distil` wants a student to be named."""
GOALS: Mapping[Goal, str] = MappingProxyType({"latency": "p50_ms", "bytes": "bytes", "memory": "memory_bytes"})
"""The figure that each goal makes less of, by the name that rules have for it."""
TRAINED: frozenset[Form] = frozenset({"prune", "sparse", "distil"})
"""What is trained, and so goes on from checkpoints."""
PACKAGES: Mapping[str, str] = MappingProxyType({"int4": "ai-edge-quantizer"})
"""The distribution that a form needs on its worker."""
_CHECKPOINTS = 2
# Which forms a field is of; where it is left out, each has its own default.
_OF_FORMS: Mapping[str, tuple[Form, ...]] = MappingProxyType(
    {
        "calibration": ("int8",),
        "training": ("prune", "sparse", "distil"),
        "share": ("prune", "sparse"),
        "epochs": ("prune", "sparse", "distil"),
        "learning_rate": ("prune", "sparse", "distil"),
        "seed": ("prune", "sparse", "distil"),
        "student": ("distil",),
        "temperature": ("distil",),
    }
)


class Optimize(JobSpec["OptimizeResult"]):
    """Make a version of a model that costs less, and register it if it is about as good.

    Both are measured on the same rows, which neither has seen, on the device of the worker. If the headline metric
    (accuracy, R² or mean IoU, of several outputs each of theirs) falls by more than `max_drop`, the job fails and
    nothing is registered.

    Attributes:
        model: a model reference.
        data: what to measure on; a `sample://` set gives its test part.
        to: what to make: "float16" (half the bytes), "dynamic" (weights of 8 bits), "int8" (weights and activations of
            8 bits), "int4" (weights of 4 bits; extra `int4` on the worker), "prune" (fewer neurons and filters,
            trained on), "sparse" (weights that are zero, trained on; smaller only where files are compressed), or
            "distil" (a smaller network that learns from the model). None tries several, by `goal`.
        goal: what the chosen form shall have the least of; exactly one of `to` and `goal` is given.
        max_drop: by how much the headline metric may fall, as a number: 0.01 is a point of accuracy.
        target: the column with the truth; None takes the one the model was trained on.
        batch_size: rows per forward pass of the measuring.
        bootstrap: resamples behind the 95 % intervals; both models see the same ones.
        name: the name to register the new version under; None takes the model's.
        alias: what shall point at the new version; None moves none.
        calibration: of "int8": rows like those that the model will be given. None draws them from what it has learned
            from.
        training: of the forms that train: what they train on. None takes what the model has learned from.
        share: of "prune": of the neurons and filters that go, by default half; of "sparse": of the weights that are
            zero, by default 0.8.
        epochs: of the forms that train; None for a default of the form.
        learning_rate: of the forms that train; None for a default of the form.
        seed: of the forms that train; None draws one.
        student: of "distil": the smaller network; None takes the model's own with half of the units.
        temperature: of "distil": by how much the model's answers are softened for the student.
    """

    kind: Literal["optimize"] = "optimize"
    model: ModelRef
    data: DataRef
    to: Form | None = None
    goal: Goal | None = None
    max_drop: float = Field(default=0.01, ge=0, le=1)
    target: str | None = None
    batch_size: int = Field(default=256, ge=1, le=1_048_576)
    bootstrap: int = Field(default=1000, ge=100, le=100_000)
    name: ModelName | None = None
    alias: Alias | None = None
    calibration: DataRef | None = None
    training: DataRef | None = None
    share: float | None = Field(default=None, gt=0, lt=1)
    epochs: int | None = Field(default=None, ge=1, le=100_000)
    learning_rate: float | None = Field(default=None, gt=0)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    student: Architecture | None = None
    temperature: float | None = Field(default=None, ge=1, le=100)

    @property
    def forms(self) -> tuple[Form, ...]:
        """What it makes."""
        return LADDER if self.to is None else (self.to,)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.to is None) == (self.goal is None):
            raise InvalidJob(
                f"expected either to (one of {', '.join(FORMS)}) or goal (one of {', '.join(GOALS)}): to names what to "
                "make, goal tries several and chooses"
            )
        for field, forms in _OF_FORMS.items():
            if getattr(self, field) is not None and not set(forms) & set(self.forms):
                raise InvalidJob(f"{field} is of {' and '.join(forms)}, and to is {self.to!r}: leave it out")
        return self


class OptimizedForm(Described):
    """A form that was made and measured.

    Attributes:
        model: its figures; it is called by the form and the model, "int8 of digits@3".
        headline: the metric that was not to fall: accuracy, R² or mean IoU; of several outputs, that which falls the
            most.
        drop: by how much it is less than the model's; negative where it is more.
        drop_interval: the drop's 95 % interval, on rows drawn again that were the same for both.
        done: what was done, in a sentence.
        figures: what was done, in numbers, by name: "weight_bits", "calibration_rows", "neurons_removed", …
    """

    form: str
    model: ComparedModel
    headline: str
    drop: float
    drop_interval: Interval
    done: str
    figures: dict[str, float] = Field(default_factory=dict)


class OptimizeResult(JobResult):
    """What an optimisation gives.

    Attributes:
        model: the exact reference of the new version.
        parent: that of the version which it was made of.
        form: what it is: "int8", …
        data: what both were measured on.
        before: the parent's figures. `file_bytes` are those of the file that is served: a .keras file holds the state
            of its optimizer, too.
        after: those of the new version.
        headline, drop, drop_interval, done, figures: see `OptimizedForm`.
        tried: every form that was made, the registered one among them.
        failed: why the others could not be made, by form.
        why: the choice in words.
        files: "report" (JSON) and "html" (the same as one page with plots; not if the store was away just then).
    """

    kind: Literal["optimize"] = "optimize"
    model: str
    parent: str
    form: str
    data: str
    rows: int
    headline: str
    before: ComparedModel
    after: ComparedModel
    drop: float
    drop_interval: Interval
    done: str
    figures: dict[str, float] = Field(default_factory=dict)
    tried: tuple[OptimizedForm, ...] = ()
    failed: dict[str, str] = Field(default_factory=dict)
    why: str = ""
    files: dict[str, Artifact] = Field(default_factory=dict)

    def gives_model(self) -> str | None:
        return self.model or None

    def shown(self) -> Shown:
        models = {self.parent: self.before, f"{self.model} ({self.form})": self.after}
        models |= {each.model.model: each.model for each in self.tried if each.form != self.form}
        head = ("", self.headline, *_COSTS)
        rows = [(name, *_cells(each, self.headline)) for name, each in models.items()]
        return Shown(
            self.model,
            f"is {self.parent} as {self.form}, measured on {self.rows:,} rows",
            table=(head, *rows),
            notes=(self.done, self.why, *(f"{form} could not be made: {why}" for form, why in self.failed.items())),
            files=self.files,
        )


_COSTS = ("bytes served", "parameters", "one row", "32 rows", "memory")


def _cells(model: ComparedModel, headline: str) -> Iterator[str]:
    around = model.intervals.get(headline)
    within = f" ({around.low:.4g} to {around.high:.4g})" if around else ""
    yield f"{model.metrics[headline]:.4g}{within}"
    yield f"{model.file_bytes:,}"
    yield f"{model.parameters:,}"
    for rows in (1, 32):
        yield f"{model.latency[rows].p50_ms:.3g} ms"
    yield "" if model.memory_bytes is None else f"{model.memory_bytes:,}"


def _check(spec: Optimize, checks: SubmitChecks) -> Optimize:
    fields: dict[str, object] = {
        "data": preflight_for(spec.model, spec.data, checks, target=spec.target, labelled=True)
    }
    if spec.calibration is not None:
        fields["calibration"] = preflight_for(spec.model, spec.calibration, checks, labelled=False)
    if spec.training is not None:
        fields["training"] = preflight_for(spec.model, spec.training, checks, labelled=True)
    return with_fields(spec, **fields)


def _needs(spec: Optimize) -> Iterator[str]:
    if spec.to and spec.to in PACKAGES:
        yield package_word(PACKAGES[spec.to])
    if isinstance(spec.student, KerasConfig):
        yield from map(module_word, spec.student.all_modules)


def _differs(spec: Optimize) -> str:
    student = spec.student.all_modules if isinstance(spec.student, KerasConfig) else ()
    draws = TRAINED.intersection(spec.forms) and spec.seed is None
    return why_it_differs(draws=bool(draws), alias=spec.alias, own=student)


KIND = Kind(
    name="optimize",
    spec=Optimize,
    queue="batch",
    usual_s=60.0,
    makes="name",
    checkpoints=lambda spec: _CHECKPOINTS if TRAINED & {*spec.forms} else 0,
    needs=lambda spec: tuple(_needs(spec)),
    summary=lambda spec: f"{spec.model}, {spec.to or f'least {spec.goal}'}",
    differs=_differs,
    check=_check,
)
