"""The `Deploy` job: bring a model version into service, at once or step by step beside the one that serves."""

from functools import cache
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ..errors import InvalidJob
from ..models.manifest import Alias, Artifact, ModelRef
from .base import Frozen, JobSpec
from .kind import Kind
from .result import JobResult, Shown
from .rollout import Approval, LoadTest, Step, percent

Role = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_RedisUser = Annotated[str, StringConstraints(pattern=r"^\S{1,128}$")]
Roles = dict[Role, Annotated[tuple[_RedisUser, ...], Field(max_length=1000)]]
"""Who has a role, by the names of Redis users."""
_Share = Annotated[float, Field(gt=0, le=1)]
_MOST_STEPS = 16
_MONTH_S = 30 * 86_400
# What says how steps go, and nothing without them.
_OF_STEPS = ("min_requests", "bake", "max_wait", "tolerate")


class Tolerance(Frozen):
    """By how much a new version may differ from the one that serves before it is rolled back.

    More errors, refused outputs or wrong answers than chance explains are never tolerated. What is named here must
    both be more than chance explains and go beyond its limit.

    Attributes:
        latency: how many times as long 95 of 100 batches may take; above all they are of different sizes, so that it
            takes much to be slow.
        predictions: the share of predictions that may fall elsewhere: between other classes, or into another range.
        disagreement: the share of answers in the shadow that may be others than those of the version that serves.
    """

    latency: float = Field(default=2.0, gt=1, le=1000)
    predictions: float = Field(default=0.3, gt=0, le=1)
    disagreement: float = Field(default=0.5, gt=0, le=1)


class Deploy(JobSpec["DeployResult"]):
    """Bring a model version into service: point an alias at it, at once or step by step.

        Deploy(model="digits@4", steps=(0.01, 0.1, 0.5), shadow=200, approval="release-managers")

    Its order is: the files are verified; the version is loaded and tested where the job runs; if somebody is to approve
    it, the job waits for that; then the version answers beside the one that serves, first unseen (`shadow`), then with
    growing shares of the requests (`steps`); then the alias moves to it. Each step compares both versions in the same
    window, and ends the deployment where the new one does harm: all requests are answered by the old one again, and
    the job is FAILED with the reason. A cancel does the same.

    Attributes:
        model: what to deploy.
        alias: where: "champion" is what a plain model name means.
        steps: the shares of the requests that it answers, growing: 0.1 is a tenth. 1 may end them, and stands for the
            alias. None of them: the alias moves at once.
        shadow: how many rows both versions compute, and are compared on, before it answers anybody; 0 for none.
        min_requests: how many requests it must have answered in a step before the next one.
        bake: seconds that a step lasts at least.
        max_wait: seconds that a step may last; if it has answered too few requests by then, it is rolled back.
        tolerate: by how much it may differ.
        approval: the role of whoever must approve it, by `stoker approve`; None for nobody.
        expires: seconds for which the job waits for that.
        load_test: whether to load and time it before anything moves, beside the version that serves; None for where
            there are steps, a shadow or an approval. It takes some seconds of a slot.
    """

    kind: Literal["deploy"] = "deploy"
    model: ModelRef
    alias: Alias = "champion"
    steps: tuple[_Share, ...] = Field(default=(), max_length=_MOST_STEPS)
    shadow: int = Field(default=0, ge=0, le=10_000_000)
    min_requests: int = Field(default=500, ge=20, le=10_000_000)
    bake: float = Field(default=60.0, ge=0, le=_MONTH_S)
    max_wait: float = Field(default=86_400.0, gt=0, le=_MONTH_S)
    tolerate: Tolerance = Field(default_factory=Tolerance)
    approval: Role | None = None
    expires: float = Field(default=3 * 86_400.0, gt=0, le=_MONTH_S)
    load_test: bool | None = None

    @property
    def is_gradual(self) -> bool:
        """Whether it answers beside the other version for a while."""
        return bool(self.steps) or self.shadow > 0

    @property
    def is_tested(self) -> bool:
        """Whether it is loaded and timed first."""
        return self.is_gradual or self.approval is not None if self.load_test is None else self.load_test

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each step, 0 for the shadow; all of it is the alias' move, and no step."""
        shadow = (0.0,) if self.shadow else ()
        return (*shadow, *(share for share in self.steps if share < 1))

    @model_validator(mode="after")
    def _is_a_plan(self) -> Self:
        if any(one >= two for one, two in pairwise(self.steps)):
            raise InvalidJob(f"steps={_listed(self.steps)} must grow: give each share once, the smallest first")
        if not self.is_gradual:
            given = [name for name, default in _without_steps().items() if getattr(self, name) != default]
            if given:
                raise InvalidJob(
                    f"{given[0]} says how steps go, and there are none: give steps, such as (0.01, 0.1, 0.5), or "
                    "shadow, or leave it out"
                )
        if self.is_gradual and self.max_wait < self.bake:
            raise InvalidJob(
                f"a step lasts bake={self.bake:g} seconds at least and max_wait={self.max_wait:g} at most: give a "
                "longer max_wait"
            )
        return self


@cache
def _without_steps() -> dict[str, object]:
    """What stands in the fields that say how steps go where there are none."""
    fields = Deploy.model_fields
    return {name: fields[name].get_default(call_default_factory=True) for name in _OF_STEPS}


class DeployResult(JobResult):
    """What a deployment gives.

    Attributes:
        model: the exact reference that the alias points at now.
        before: what it pointed at before; None for nothing.
        why: why it does, in sentences.
        load_test: None if there was none.
        approval: who has approved it; None if nobody was asked.
        steps: each with its evidence.
        files: "report" (JSON) and "html" (the same as one page with plots), if there were steps.
    """

    kind: Literal["deploy"] = "deploy"
    model: str
    alias: str
    before: str | None = None
    why: str = ""
    load_test: LoadTest | None = None
    approval: Approval | None = None
    steps: tuple[Step, ...] = ()
    files: dict[str, Artifact] = Field(default_factory=dict)

    def shown(self) -> Shown:
        head = ("step", "requests", "errors", "before", "95 % within", "before")
        said = (self.load_test, self.approval)
        return Shown(
            self.model,
            f"is now {self.alias}",
            table=(head, *map(_cells, self.steps)) if self.steps else (),
            notes=(*(each.words() for each in said if each), *([self.why] if self.why else [])),
            files=self.files,
        )


def _cells(step: Step) -> tuple[str, ...]:
    old, new = step.old, step.new
    if not step.share:
        differ = f"{percent(step.disagreed / step.compared)} differ" if step.compared else ""
        return step.name, f"{step.compared:,} compared", differ, "", "", ""
    errors = [percent(side.errors / side.requests) if side.requests else "" for side in (new, old)]
    times = ["" if side.p95_ms is None else f"{side.p95_ms:.3g} ms" for side in (new, old)]
    return step.name, f"{new.requests:,} of {new.requests + old.requests:,}", *errors, *times


def _listed(shares: tuple[float, ...]) -> str:
    return ", ".join(f"{share:g}" for share in shares)


def _summary(spec: Deploy) -> str:
    steps = f", by {', '.join(map(percent, spec.steps))}" if spec.steps else ""
    return f"{spec.model}, {spec.alias}{steps}"


KIND = Kind(
    name="deploy",
    spec=Deploy,
    queue="batch",
    usual_s=1.0,
    is_brief=True,
    takes_longer=lambda spec: spec.is_tested or spec.is_gradual or spec.approval is not None,
    beside=lambda spec: spec.alias,
    is_followed=True,
    checkpoints=lambda _: 0,
    summary=_summary,
)
