"""The `Describe` job: what a data set holds, column by column, and what is wrong with it."""

from typing import Annotated, Literal

from pydantic import Field

from ..models.columns import ColumnKind
from ..models.described import Described
from ..models.manifest import Artifact
from .base import JobSpec
from .data import DataRef
from .kind import Kind, SubmitChecks, with_fields
from .result import JobResult, Shown
from .training.outputs import Targets, TargetTask

# A finite number; or a moment, as text by ISO 8601 in UTC.
Value = Annotated[float, Field(allow_inf_nan=False)] | str

_SHOWN_CATEGORIES = 3
_MIDNIGHT = "T00:00:00"


class Describe(JobSpec["DescribeResult"]):
    """Read every row of a data set once, and say what each column holds, what it is taken for and why.

    Attributes:
        data: what to describe; a `sample://` set gives its training part.
        target: the column that shall be predicted, or several: what task it asks for, and which other column gives it
            away. None takes the one named target, label, class or y, if there is exactly one.
    """

    kind: Literal["describe"] = "describe"
    data: DataRef
    target: Targets | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that shall be predicted, as far as they are named."""
        return (self.target,) if isinstance(self.target, str) else self.target or ()


class Histogram(Described):
    """How many values lie between edges; of more than 100,000 values, how many of a sample of them.

    Attributes:
        edges: one more than there are counts; a value on an edge counts above it, the last one below.
    """

    edges: tuple[Value, ...]
    counts: tuple[int, ...]


class DescribedColumn(Described):
    """One column.

    Attributes:
        kind: what is made of it, and `why`; "ignore" leaves it out.
        warning: what else it may be, and the setting that says so; None where that is hardly in question.
        dtype: what was read: a numpy dtype's name, "string", "time" or "list".
        shape: of one row's array; () for plain values and lists.
        missing: how many rows have no value.
        distinct: how many values differ, of lists of texts how many of the texts; None for arrays and other lists.
        exact: whether all distinct values were counted; if not, there are more.
        low, high, mean, median: of numbers and times; of the numbers in arrays and lists, without a median. None for
            text, and where they are not finite.
        examples: the first different values, at most 80 characters of each.
        histogram: of numbers and times.
        commonest: of categories, booleans and tags, the ten that occur most often.
    """

    name: str
    kind: ColumnKind
    why: str
    warning: str | None
    dtype: str
    shape: tuple[int, ...]
    missing: int
    distinct: int | None
    exact: bool
    low: Value | None
    high: Value | None
    mean: Value | None
    median: Value | None
    examples: tuple[str, ...]
    histogram: Histogram | None
    commonest: dict[str, int]

    def values(self, rows: int) -> str:
        """The values in a few words."""
        if self.commonest:
            shown = list(self.commonest.items())[:_SHOWN_CATEGORIES]
            more = ", …" if len(self.commonest) > _SHOWN_CATEGORIES else ""
            present = max(rows - self.missing, 1)
            return ", ".join(f"{label} {percent(count / present)}" for label, count in shown) + more
        if self.low is not None and self.high is not None:
            return f"{_text(self.low)} … {_text(self.high)}"
        return ", ".join(self.examples[:_SHOWN_CATEGORIES])


class DescribedTarget(Described):
    """A column that shall be predicted.

    Attributes:
        task: what it asks for; None where it cannot be predicted.
        why: the reason for its task, or why it has none.
        doubt: why the task may be another, and the setting that says so; None where that is hardly in question.
    """

    name: str
    task: TargetTask | None
    why: str
    doubt: str | None = None

    def words(self) -> str:
        """What it asks for and why, in a sentence."""
        doubt = f" ({self.doubt})" if self.doubt else ""
        return f"{self.name} asks for {self.task}: {self.why}{doubt}" if self.task else self.why


class DescribeResult(JobResult):
    """What a data set holds.

    Attributes:
        columns: in the order of the data.
        target: the column to predict; None where none was named, or several.
        task: what it asks for, and `task_why`; None where there is no single target, or it cannot be predicted.
        task_doubt: why the task may be another, and the setting that says so; None where that is hardly in question.
        targets: each column to predict, in the order of the job.
        together: what a training makes of several targets at once; None where one cannot be predicted, or there is one.
        notes: how the files were read, as far as that was found by looking at them.
        warnings: what should be looked at before a model is trained on this.
        files: "report" (JSON) and "html" (the same as one page with histograms; not if the store was away just then).
    """

    kind: Literal["describe"] = "describe"
    data: str
    rows: int
    columns: tuple[DescribedColumn, ...]
    target: str | None
    task: TargetTask | None
    task_why: str | None
    task_doubt: str | None
    targets: tuple[DescribedTarget, ...] = ()
    together: str | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...]
    files: dict[str, Artifact]

    def words(self) -> str:
        return f"{self.rows:,} rows, {len(self.columns)} columns, {len(self.warnings)} warnings"

    def shown(self) -> Shown:
        rows = [
            (
                column.name or "(no name)",
                column.kind,
                percent(column.missing / max(self.rows, 1)) if column.missing else "",
                "" if column.distinct is None else f"{'' if column.exact else '>'}{column.distinct:,}",
                column.values(self.rows),
                column.why,
            )
            for column in self.columns
        ]
        tasks = tuple(target.words() for target in self.targets if target.task)
        return Shown(
            self.data,
            f"{self.rows:,} rows, {len(self.columns)} columns",
            table=(("column", "kind", "missing", "distinct", "values", "why"), *rows),
            cut=("column", "values", "why"),
            notes=(*tasks, *((self.together,) if self.together else ())),
            warnings=self.warnings,
            files=self.files,
        )


def percent(share: float) -> str:
    """A share for people: never 0 % of something, nor 100 % of not all."""
    if 0 < share < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def _text(value: Value) -> str:
    return value.removesuffix(_MIDNIGHT) if isinstance(value, str) else f"{value:,.6g}"


def _check(spec: Describe, checks: SubmitChecks) -> Describe:
    labelled = bool(spec.targets)
    return with_fields(spec, data=checks.preflight(spec.data, target=spec.target, features=None, labelled=labelled))


KIND = Kind(
    name="describe",
    spec=Describe,
    queue="batch",
    usual_s=5.0,
    reads=(),
    checkpoints=lambda _: 0,
    summary=lambda spec: f"{spec.data}, target {', '.join(spec.targets)}" if spec.targets else str(spec.data),
    differs=lambda _: "",
    check=_check,
)
