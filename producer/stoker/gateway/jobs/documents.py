"""What is sent and answered about jobs."""

from typing import Annotated, Any, Self

from fastapi import Body
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, RootModel, model_validator

from ...events import JobState
from ...kinds import Spec, parse_spec
from ...status import JobStatus

MOST_JOBS = 1000
_EXAMPLES = {
    "train": {
        "summary": "Train a network on rows of a table",
        "value": {"kind": "train", "model": "digits", "data": "sample://digits", "epochs": 10},
    },
    "evaluate": {
        "summary": "Evaluate a model",
        "value": {"kind": "evaluate", "model": "digits@champion", "data": "sample://digits"},
    },
    "describe": {"summary": "Describe a table", "value": {"kind": "describe", "data": "sample://iris"}},
}


class Job(RootModel[Spec]):
    """What is to be done: the fields of a job of some kind. docs/jobs.md tells of them."""

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_one_sentence(cls, document: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return handler(parse_spec(document))


JobBody = Annotated[Job, Body(openapi_examples=_EXAMPLES)]


class Strict(BaseModel):
    """A body of the gateway's own: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewJobs(Strict):
    """Jobs to submit together: all or none; "#0" in a spec names the first of them."""

    jobs: list[Job] = Field(min_length=1, max_length=MOST_JOBS)


class SubmittedJobs(BaseModel):
    """The ids of jobs that were submitted together, in their order."""

    ids: list[str]


class JobPage(BaseModel):
    """Some jobs, the newest first.

    Attributes:
        next: the `cursor` of the next page; None after the last.
    """

    jobs: list[JobStatus]
    next: str | None = None


class Changes(Strict):
    """Other values of some fields of a spec, by name: "checkpoint.steps" names one within another."""

    changes: dict[str, Any] = Field(default_factory=dict)


class Lines(BaseModel):
    """What a job has printed, the oldest line first."""

    lines: list[str]


class Many(Strict):
    """Which jobs to act on: at least one of the fields up to `until` says.

    Attributes:
        state: left out: those that have not ended; for `retry` and `resubmit`, those that ended without success.
        tags: by name; all have to fit.
        limit: act on so many at most, the newest first.
        dry_run: only say which jobs these are. It has to be false for anything to happen.
    """

    state: JobState | None = None
    kind: str | None = None
    model: str | None = None
    tags: dict[str, str] = Field(default_factory=dict, max_length=32)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(default=MOST_JOBS, ge=1, le=MOST_JOBS)
    dry_run: bool = True


class ManyChanged(Many):
    """Which jobs to submit again, with other values of some fields."""

    changes: dict[str, Any] = Field(default_factory=dict)


class ActedOn(BaseModel):
    """What came of acting on many jobs, or would come of it.

    Attributes:
        matching: ids of the jobs that match and that the key sees, the newest first.
        more: whether there are others, beyond the limit.
        done: how many were acted on: none in a dry run.
        refused: how many could not be acted on: the key may not, or they have ended meanwhile.
        reasons: why, of some of these.
        ids: of jobs that were submitted again, the new ones.
    """

    matching: list[str]
    more: bool
    done: int = 0
    refused: int = 0
    reasons: list[str] = Field(default_factory=list)
    ids: list[str] = Field(default_factory=list)
