"""What a job sees of the jobs that it has asked for."""

from collections.abc import Mapping

from pydantic import Field

from ..models.described import Described
from . import Result, Spec


class ChildJob(Described):
    """A child of a job, as the job's next attempt sees it.

    Attributes:
        id: the child's id.
        number: its place among all that the job has asked for: 0, 1, …
        spec: what was asked for, with the tags, needs and priority of the job.
        state: the name of a `JobState`: the one that the child has, or ended in.
        result: what it gave, if its state is SUCCEEDED.
        reason: why it ended, in one line, if it did and has not succeeded.
        run_s: for how many seconds its attempts have run, all together.
        reached: the metric's value at each rung of `Halving` that it has reached, by epoch.
    """

    id: str
    number: int
    spec: Spec
    state: str
    result: Result | None = None
    reason: str | None = None
    run_s: float = 0.0
    reached: Mapping[int, float] = Field(default_factory=dict)
