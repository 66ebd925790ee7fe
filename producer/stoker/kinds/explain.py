"""The `Explain` job: how much a model needs each column, and why it predicts what it does of single rows."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ..errors import InvalidJob
from ..models.manifest import Artifact, ModelRef
from .accepts import Accepts
from .base import JobSpec
from .data import OptionalDataRef
from .explanation import MOST_ROWS, BaselineKind, Explanation, Importance, Method
from .kind import Kind, SubmitChecks, preflight_for, with_fields
from .result import JobResult, Shown

MOST_INLINE = 3 << 20
"""Characters of rows that a spec holds itself."""
_ROWS = 10
_SHOWN_ROWS, _SHOWN_COLUMNS = 20, 40

_First = Annotated[int, Field(ge=0, le=MOST_ROWS)]
_Places = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=MOST_ROWS)]


def _different(names: tuple[Method, ...]) -> tuple[Method, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a method is named twice; name each once")
    return names


class Explain(JobSpec["ExplainResult"]):
    """Say how much a model needs each column, and what each column of single rows contributes to their predictions.

    Two methods: `importance` shuffles each column among the rows, several times, and tells how much worse the model
    becomes (permutation importance: scikit-learn's own). `gradients` follows the way from a baseline to a row, and
    shares the change of what is predicted among the columns, the words of texts, the pixels of pictures (integrated
    gradients). For a few rows in hand there is `Client.explain`.

    Attributes:
        model: a model reference; it must exist when the job is submitted.
        data: what importance is measured on, and where the rows are from; a `sample://` set gives its test part.
        methods: none for those that the model and the data allow.
        target: the column with the truth, for importance; None takes the one the model was trained on, or those.
        rows: how many rows are explained one by one, from the first on, or their numbers, from 0; at most 256.
        output: what is explained of each row: a class, a number's column, one of several outputs, or
            "output.class". None explains the class that is predicted, and every number up to 16.
        baseline: from what attributions are counted: "mean" of the data, "missing" for a row of which nothing is
            known, or "zero". None takes zeros for pictures, else the mean where there is data, else missing.
        repeats: how often each column is shuffled.
        sample: rows that importance is measured on, drawn of all.
        most_steps: points on the way from the baseline to a row; as few are taken as make attributions complete.
        seed: of what is drawn and shuffled.
        given: rows that the job has with it, as `Client.explain` writes them.
    """

    kind: Literal["explain"] = "explain"
    model: ModelRef
    data: OptionalDataRef = Field(default=None, validate_default=True)
    methods: Accepts[Annotated[tuple[Method, ...], AfterValidator(_different)], list[Method]] = Field(
        default=(), validate_default=True
    )
    target: str | None = None
    rows: Accepts[_First | _Places, list[int]] = Field(default=_ROWS, validate_default=True)
    output: str | None = Field(default=None, max_length=1024)
    baseline: BaselineKind | None = None
    repeats: int = Field(default=5, ge=1, le=1000)
    sample: int = Field(default=2000, ge=1, le=1_000_000)
    most_steps: int = Field(default=2048, ge=1, le=65_536)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    given: Annotated[str, StringConstraints(max_length=MOST_INLINE)] | None = None

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if self.data is None and self.given is None:
            raise InvalidJob("data is missing: give a data reference, or use client.explain for a few rows")
        if self.data is None and "importance" in self.methods:
            raise InvalidJob("importance is measured on data with the truth: give data, or leave it out of methods")
        if self.data is None and self.baseline == "mean":
            raise InvalidJob("baseline='mean' is that of data: give data, or take 'missing' or 'zero'")
        if self.methods == ("gradients",) and self.given is None and not self.rows:
            raise InvalidJob("rows names none to be explained: name some, or give methods=['importance']")
        return self


class ExplainResult(JobResult):
    """What explains a model.

    Attributes:
        model: the exact reference that was explained.
        data: what importance was measured on; "" for rows that came with the job.
        rows: how many rows importance was measured on; 0 where it was not.
        metrics: the headline metric and the loss on them, of several outputs behind their names.
        importance: of each column, the most important first; of several outputs, one output after the other.
        explanations: of single rows.
        baseline: from what attributions are counted, in words; "" where there are none.
        warnings: why the figures may say less than they seem to.
        files: "report" (JSON) and "html" (the same as one page with plots; not if the store was away just then).
    """

    kind: Literal["explain"] = "explain"
    model: str
    data: str
    rows: int
    metrics: dict[str, float] = Field(default_factory=dict)
    importance: tuple[Importance, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    baseline: str = ""
    warnings: tuple[str, ...] = ()
    files: dict[str, Artifact]

    def words(self) -> str:
        most = f"{self.importance[0].column} matters most, " if self.importance else ""
        return f"{self.model}: {most}{len(self.explanations)} rows explained"

    def shown(self) -> Shown:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        explained = [
            f"row {each.row}: {line[0]} {line[1]}, baseline {line[2]}: {line[3]}"
            for each in self.explanations[:_SHOWN_ROWS]
            for line in each.lines()
        ]
        more = len(self.explanations) - _SHOWN_ROWS
        return Shown(
            self.model,
            f"{metrics} on {self.rows:,} rows" if self.rows else f"{len(self.explanations)} rows explained",
            table=self._table(),
            cut=("column",),
            notes=(
                *explained,
                *([f"{more} more rows are in the report"] if more > 0 else []),
                *([f"baseline: {self.baseline}"] if self.baseline else []),
            ),
            warnings=self.warnings,
            files=self.files,
        )

    def _table(self) -> tuple[tuple[str, ...], ...]:
        if not self.importance:
            return ()
        several = any(each.output for each in self.importance)
        rows = [
            (
                each.column,
                *([each.output] if several else []),
                each.metric,
                f"{each.drop:.4f} ± {each.spread:.4f}",
                f"{each.loss:.4f} ± {each.loss_spread:.4f}",
            )
            for each in self.importance[:_SHOWN_COLUMNS]
        ]
        return (("column", *(["output"] if several else []), "metric", "falls by", "loss grows by"), *rows)


def _check(spec: Explain, checks: SubmitChecks) -> Explain:
    if spec.data is None:
        return spec
    labelled = "importance" in spec.methods
    return with_fields(spec, data=preflight_for(spec.model, spec.data, checks, target=spec.target, labelled=labelled))


KIND = Kind(
    name="explain",
    spec=Explain,
    queue="batch",
    usual_s=20.0,
    checkpoints=lambda _: 0,
    summary=lambda spec: f"{spec.model}, {'rows of its own' if spec.data is None else spec.data}",
    differs=lambda _: "",
    check=_check,
)
