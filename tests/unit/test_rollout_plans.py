"""What follows for a deployment: step by step, from what is seen, without Redis."""

from datetime import UTC, datetime, timedelta

import pytest

import stoker
from stoker.kinds.rollout import Approval, Rollout
from stoker_workers.controller.rollouts.plan import Move, Seen, next_move

START = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = stoker.Deploy(model="digits@4", steps=(0.1, 0.5, 1.0), min_requests=200, bake=60, max_wait=3600)


class Simulated:
    """A deployment and its route, moved by hand."""

    def __init__(self, spec: stoker.Deploy, before: str | None = "digits@3") -> None:
        self.spec = spec
        self.rollout = Rollout(model="digits@4", before=before, tested=START)
        self.counted: dict[str, int] = {}
        self.now = START
        self.is_ready = self.is_routed = False
        self.closed = self.error = ""
        self.said: Approval | None = None
        self.happened: list[str] = []

    def count(self, **figures: int) -> None:
        for name, count in figures.items():
            field = name.replace("_", " ")
            self.counted[field] = self.counted.get(field, 0) + count

    def look(self, after_s: float = 1.0) -> Move | None:
        self.now += timedelta(seconds=after_s)
        seen = Seen(self.now, self.said, self.is_routed, self.is_ready, dict(self.counted), self.closed, self.error)
        move = next_move(self.spec, self.rollout, seen)
        if move:
            # It survives being written down.
            self.rollout = Rollout.model_validate_json(move.rollout.model_dump_json())
            assert self.rollout == move.rollout
            self.is_routed = self.is_routed or move.begins
            self.happened += [move.news.happened] if move.news.happened else []
        return move

    def begin(self) -> None:
        move = self.look()
        assert move
        assert move.begins
        self.is_ready = True
        assert self.look()


def test_a_version_that_does_no_harm_takes_all_steps_and_is_promoted() -> None:
    rollout = Simulated(SPEC)
    rollout.begin()
    assert rollout.rollout.step
    assert rollout.rollout.step.share == 0.1
    rollout.count(from_requests=1800, from_errors=2, to_requests=200)
    move = rollout.look()
    assert move
    assert not move.begins
    assert move.news.why == "canary 10 %: 200 of at least 200 requests, errors 0.0 % against 0.1 %"
    assert not rollout.look(after_s=30)
    move = rollout.look(after_s=30)
    assert move
    assert move.begins
    assert rollout.rollout.step
    assert rollout.rollout.step.share == 0.5
    rollout.count(from_requests=250, to_requests=250)
    assert rollout.look(after_s=59)
    assert rollout.rollout.outcome is None
    rollout.look(after_s=2)
    assert rollout.rollout.outcome == "promoted"
    assert [step.new.requests for step in rollout.rollout.steps] == [200, 250]
    assert "would have been seen in 9 of 10 cases" in rollout.rollout.why
    assert rollout.happened[0] == "canary 10 % begins"
    assert rollout.happened[1].startswith("canary 10 % passed after 200 requests: errors 0.0 % against 0.1 %")
    assert rollout.happened[1].endswith("; now canary 50 %")


def test_a_version_that_fails_is_rolled_back_before_the_step_is_over() -> None:
    rollout = Simulated(SPEC)
    rollout.begin()
    rollout.count(from_requests=900, to_requests=100, to_errors=10)
    rollout.error = "column age is missing"
    rollout.look()
    assert rollout.rollout.outcome == "rolled back"
    assert "at 10 %, after 100 requests: errors 10 % against 0.0 %" in rollout.rollout.why
    assert rollout.rollout.why.endswith("; its first error: column age is missing")
    assert rollout.rollout.steps[-1].ended == rollout.now


def test_what_the_old_version_did_before_the_other_was_there_is_no_evidence() -> None:
    rollout = Simulated(SPEC)
    rollout.look()
    rollout.count(from_requests=10_000, from_errors=10_000)
    assert rollout.look() is None
    rollout.is_ready = True
    rollout.look()
    rollout.count(from_requests=900, to_requests=100, to_errors=10)
    rollout.look()
    assert rollout.rollout.outcome == "rolled back"


@pytest.mark.parametrize(
    ("is_ready", "requests", "why"),
    [
        (False, 0, "no worker has loaded digits@4 within 60 minutes"),
        (True, 7, "canary 10 % had 7 of at least 200 requests within 60 minutes: too few to say"),
    ],
)
def test_a_step_that_takes_too_long_is_rolled_back(is_ready: bool, requests: int, why: str) -> None:
    rollout = Simulated(SPEC)
    rollout.look()
    rollout.is_ready = is_ready
    rollout.look()
    rollout.count(from_requests=10 * requests, to_requests=requests)
    rollout.look(after_s=3601)
    assert (rollout.rollout.outcome, rollout.rollout.why) == ("rolled back", why)


def test_a_route_that_somebody_has_closed_rolls_back_with_their_reason() -> None:
    rollout = Simulated(SPEC)
    rollout.begin()
    rollout.is_routed, rollout.closed = False, "its first 20 requests have all failed"
    rollout.look()
    assert rollout.rollout.outcome == "rolled back"
    assert rollout.rollout.why.endswith("its first 20 requests have all failed")


def test_a_shadow_answers_nobody_and_comes_first() -> None:
    rollout = Simulated(SPEC.model_copy(update={"shadow": 100, "bake": 0}))
    rollout.begin()
    assert rollout.rollout.step
    assert (rollout.rollout.step.share, rollout.rollout.step.name) == (0.0, "shadow")
    rollout.count(from_requests=100, shadow_requests=100, compared=100, disagreed=3)
    rollout.look()
    assert rollout.rollout.step.share == 0.1
    assert "3.0 % of the answers differ" in rollout.happened[-1] or "3 % of the answers differ" in rollout.happened[-1]


def test_an_approval_comes_before_all_steps_and_may_be_refused_or_expire() -> None:
    spec = SPEC.model_copy(update={"approval": "release-managers", "expires": 100.0})
    asked = Simulated(spec)
    assert asked.look() is None
    said = Approval(role="release-managers", by="alice", at=START, is_granted=True, note="looks well")
    asked.said = said
    move = asked.look()
    assert move
    assert move.news.heard == said
    assert not move.begins
    assert asked.happened == ["approved by alice for release-managers: looks well"]
    asked.begin()

    refused = Simulated(spec)
    refused.said = said.model_copy(update={"is_granted": False})
    move = refused.look()
    assert move
    assert move.news.heard
    assert refused.rollout.outcome == "refused"

    expired = Simulated(spec)
    expired.look(after_s=101)
    assert expired.rollout.outcome == "expired"
    assert expired.rollout.why == "nobody of release-managers has approved it within 100 s"


def test_without_steps_or_a_version_before_the_approval_is_all() -> None:
    spec = stoker.Deploy(model="digits@4", approval="release-managers")
    for plan, before in ((spec, "digits@3"), (SPEC.model_copy(update={"approval": "release-managers"}), None)):
        rollout = Simulated(plan, before)
        rollout.said = Approval(role="release-managers", by="alice", at=START, is_granted=True)
        rollout.look()
        rollout.look()
        assert rollout.rollout.outcome == "approved"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"steps": (0.5, 0.1)}, "must grow"),
        ({"steps": (10,)}, "steps"),
        ({"bake": 5}, "give steps"),
        ({"steps": (0.1,), "bake": 100, "max_wait": 10}, "longer max_wait"),
        ({"steps": (0.1,), "min_requests": 5}, "min_requests"),
        ({"approval": "Release Managers"}, "approval"),
        ({"tolerate": {"latency": 0.5}, "steps": (0.1,)}, "latency"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=told):
        stoker.Deploy.model_validate({"model": "digits@4", **fields})


def test_a_plain_deployment_is_as_it_was() -> None:
    spec = stoker.Deploy(model="digits@4")
    assert not (spec.is_gradual)
    assert not (spec.is_tested)
    assert not (spec.shares)
    assert stoker.Deploy(model="digits@4", steps=(0.1, 1.0)).shares == (0.1,)
    assert stoker.Deploy(model="digits@4", steps=(0.1,)).is_tested


def test_what_is_kept_of_the_longest_plan_fits_into_a_wait() -> None:
    shares = tuple(share / 100 for share in range(1, 17))
    rollout = Simulated(stoker.Deploy(model="digits@4", steps=shares, min_requests=20, bake=0))
    rollout.begin()
    rollout.count(**{f"{side}_output__{label}": 1 for side in ("from", "to") for label in range(100)})
    rollout.count(
        **{f"{side}_latency_{rows}_{us}": 1 for side in ("from", "to") for rows in range(8) for us in range(8)}
    )
    while rollout.rollout.outcome is None:
        for _ in range(20):
            rollout.count(from_requests=1000, to_requests=1)
            rollout.look()
    assert rollout.rollout.outcome == "promoted"
    assert len(rollout.rollout.steps) == 16
    assert len(rollout.rollout.model_dump_json()) < 65_536


def test_what_the_shadow_has_computed_last_is_no_evidence_of_the_step_behind_it() -> None:
    rollout = Simulated(SPEC.model_copy(update={"shadow": 100, "bake": 0}))
    rollout.begin()
    rollout.count(from_requests=100, shadow_requests=100, compared=100)
    rollout.look()
    assert rollout.rollout.step
    assert rollout.rollout.step.share == 0.1
    rollout.count(from_requests=900, shadow_requests=16, compared=16, disagreed=16, to_requests=100, to_errors=30)
    rollout.look()
    assert rollout.rollout.outcome == "rolled back"
    assert rollout.rollout.why.startswith("at 10 %, after 100 requests: errors 30 % against 0.0 %")


def test_a_version_that_there_was_nothing_to_hold_against_is_not_promoted() -> None:
    rollout = Simulated(SPEC)
    rollout.begin()
    # One caller with a key, whose place is in the new version's share.
    rollout.count(to_requests=400, to_errors=100)
    rollout.look(after_s=61)
    assert rollout.rollout.outcome is None
    rollout.look(after_s=3600)
    assert rollout.rollout.outcome == "rolled back"
    assert rollout.rollout.why == (
        "canary 10 % had 400 of at least 200 requests within 60 minutes, and digits@3 none beside them: too few to say"
    )
