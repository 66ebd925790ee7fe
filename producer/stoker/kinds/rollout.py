"""What a `Deploy` job notes of its load test, its approval and its steps; its result and its report are made of it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from ..models.described import Described
from .evaluate import Latency

Criterion = Literal["errors", "refused outputs", "latency", "predictions", "labels", "disagreement"]
Outcome = Literal["promoted", "rolled back", "approved", "refused", "expired"]
APPROVAL_AWAITED = "the approval of "
"""How the reason of a job begins that waits for one; a role follows."""


class LoadTest(Described):
    """How a new version did before anybody was answered by it, beside the one that it is to follow.

    Attributes:
        device: where it was measured: "cpu", "gpu" or "tpu".
        latency: of the new version, by rows per call.
        before: of the version that the alias points at, in the same process and in turns with it; empty for none.
    """

    device: str
    latency: dict[int, Latency]
    before: dict[int, Latency] = Field(default_factory=dict)

    def words(self) -> str:
        """In a sentence."""
        each = []
        for rows, new in self.latency.items():
            old = self.before.get(rows)
            beside = f" (before: {old.p50_ms:.3g} ms)" if old else ""
            each.append(f"{rows} row{'s' if rows > 1 else ''} in {new.p50_ms:.3g} ms{beside}")
        return f"loads on a {self.device.upper()} and answers {', '.join(each)}"


class Approval(Described):
    """What somebody has said to a deployment that asked for it.

    Attributes:
        role: the role that was asked.
        by: the Redis user who said it.
        at: when, UTC.
        is_granted: whether it may go on.
        note: why, in their words.
    """

    role: str
    by: str
    at: datetime
    is_granted: bool
    note: str = ""

    def words(self) -> str:
        """In a sentence."""
        note = f": {self.note}" if self.note else ""
        return f"{'approved' if self.is_granted else 'refused'} by {self.by} for {self.role}{note}"


class Side(Described):
    """What one version has done in a step.

    Attributes:
        requests: how many it has answered, or failed to.
        errors: how many of them failed, through no fault of the caller's.
        refused: how many gave no finite numbers.
        p95_ms: what 95 of 100 batches took at most; None if there were none.
        right, wrong: of answers whose truth has come.
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0
    p95_ms: float | None = None
    right: int = 0
    wrong: int = 0


class Finding(Described):
    """What one criterion says of the new version beside the other one, in the same window.

    Attributes:
        of: the criterion.
        old, new: its figure for each: a share, milliseconds, or, of `predictions` and `disagreement`, in `new` the
            share of answers that differ.
        n: on how much of the new version it rests: requests, batches or labels.
        p: how probable such a difference, or a larger one, is between versions that are alike.
        is_harm: whether it is more than chance, at what this look may spend, and more than is tolerated.
        least_seen: the smallest figure of the new version that would have been found in 9 of 10 cases; None if none
            would, or if that is not known.
    """

    of: Criterion
    old: float
    new: float
    n: int
    p: float
    is_harm: bool = False
    least_seen: float | None = None

    def words(self) -> str:
        """In a few words."""
        if self.of == "latency":
            return f"95 of 100 batches within {self.new:.3g} ms against {self.old:.3g} ms"
        if self.of == "predictions":
            return f"{percent(self.new)} of the predictions fall elsewhere"
        if self.of == "disagreement":
            return f"{percent(self.new)} of the answers differ"
        what = "wrong answers" if self.of == "labels" else self.of
        return f"{what} {percent(self.new)} against {percent(self.old)}"

    def limit_words(self) -> str:
        """What it could have seen, in a sentence; "" if that is not known."""
        if self.least_seen is None:
            return ""
        return f"{self.of} of {percent(self.least_seen)} or more would have been seen in 9 of 10 cases"


class Sample(Described):
    """What a look at a step saw.

    Attributes:
        requests: of the new version, in the step so far; of a shadow, compared answers.
        old, new: the share of errors of both; of a shadow, in `new` the share of answers that differ.
    """

    requests: int
    old: float
    new: float


class Step(Described):
    """One step of a rollout.

    Attributes:
        number: 1 for the first; the shadow comes before it, as 0.
        share: of the requests that the new version answers; 0 in the shadow.
        began: when the step began; from when on a worker has loaded the new version, since then, UTC.
        is_ready: whether one has.
        ended: when it was decided, UTC; None while it lasts.
        looks: how often the evidence was judged.
        old, new: what both have done in it.
        compared, disagreed: how many rows both have computed in the shadow, and of how many the answers differed.
        findings: of the last look.
        samples: what each look saw, for plots.
    """

    number: int
    share: float
    began: datetime
    is_ready: bool = False
    ended: datetime | None = None
    looks: int = 0
    old: Side = Field(default_factory=Side)
    new: Side = Field(default_factory=Side)
    compared: int = 0
    disagreed: int = 0
    findings: tuple[Finding, ...] = ()
    samples: tuple[Sample, ...] = ()

    @property
    def name(self) -> str:
        """As people call it: "shadow", or "10 %"."""
        return percent(self.share) if self.share else "shadow"

    @property
    def done(self) -> int:
        """How many requests its length is measured by: those of the new version, or compared answers."""
        return self.new.requests if self.share else self.compared


class Rollout(Described):
    """How far a deployment is: what one attempt keeps for the next, and what a controller goes on with meanwhile.

    Attributes:
        model: the exact reference of the new version.
        before: that of the version which the alias pointed at; None for none.
        tested: when the load test was over, UTC.
        load_test: None if there was none.
        approval: None until somebody has said something, or if nobody was asked.
        steps: those that there were, the last of which may last.
        base: what was counted before the present step, as its evidence has it.
        outcome: what was decided; "" while it is not. "approved" is a deployment without steps.
        why: the outcome in a sentence.
    """

    model: str
    before: str | None = None
    tested: datetime
    load_test: LoadTest | None = None
    approval: Approval | None = None
    steps: tuple[Step, ...] = ()
    base: dict[str, int] = Field(default_factory=dict)
    outcome: Outcome | None = None
    why: str = ""

    @property
    def step(self) -> Step | None:
        """The step that lasts; None if none does."""
        return self.steps[-1] if self.steps and self.steps[-1].ended is None else None


def percent(share: float) -> str:
    """A share for people: "0.0 %", "5.3 %", "10 %"."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 or (value and value == round(value)) else f"{value:.1f} %"
