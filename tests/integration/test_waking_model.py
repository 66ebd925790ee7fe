"""Searches and their trials, step by step on a real server: whatever happens in whatever order, no end is missed."""

from typing import Literal

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize, invariant, precondition, rule

from stoker import JobState
from stoker.kinds.child import ChildJob
from stoker.kinds.tuning.halving import Halving
from stoker.ledger import attempts, children, damage, dead_jobs, intake, pauses, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob

from .ledger_both import PICK, OnServer, run_on_server, some
from .test_ledger import new_job, result_of
from .test_waking import SEARCH, TRIAL, UNSUCCESSFUL

HALVING = Halving(rungs=(1, 3), keep=2)
# So few that trials reach the same.
VALUES = st.sampled_from([0.25, 0.5, float("nan")])
OPEN = ("WAITING", "QUEUED", "RUNNING")


class Searches(OnServer):
    """One search and its trials. The model is a search that writes down what it is told of each trial."""

    def __init__(self) -> None:
        super().__init__()
        self.names = 0
        self.search = ""
        self.attempt: Attempt | None = None
        self.trials: dict[str, Attempt] = {}
        # What the search has been told, by the number of the trial.
        self.told: dict[int, ChildJob] = {}
        self.reached: dict[tuple[str, int], children.Standing] = {}

    # --- the search

    @initialize()
    def begin(self) -> None:
        [self.search] = self.connection.run(intake.submit([NewJob(new_job().id, SEARCH, "cpu.train")]))

    @rule()
    def claim(self) -> None:
        attempt = self._claim(self.search)
        if attempt is None:
            return
        self.attempt = attempt
        told = {child.number: child for child in map(ChildJob.model_validate_json, attempt.asked)}
        assert list(told) == sorted(told)
        for number, before in self.told.items():
            # Who has ended once is told for ever, and the same.
            if JobState(before.state).final:
                assert told[number] == before
        for number, child in told.items():
            assert getattr(child.spec, "seed", None) == number
        self.told = told

    @precondition(lambda self: self._runs())
    @rule(count=st.integers(0, 3), repeats=st.booleans())
    def ask(self, count: int, repeats: bool) -> None:
        assert self.attempt
        numbers = range(self.attempt.following, self.attempt.following + count)
        specs = [TRIAL.model_copy(update={"seed": number}) for number in numbers]
        call = children.await_children(self.attempt, SEARCH, specs, each=True, halving=HALVING)
        assert self.connection.run(call)
        if repeats:
            # What has ended by it may be lost by now.
            assert self.connection.run(call) or self._state(self.search) in ("FAILED", "CANCELLED", "")
        self.attempt = None

    @precondition(lambda self: self._runs())
    @rule(why=st.sampled_from(["drained", "lost", "expired"]))
    def lose(self, why: Literal["drained", "lost", "expired"]) -> None:
        assert self.attempt
        if why == "expired":
            self._expire(self.search)
        else:
            self.connection.run(attempts.release(self.attempt, why, "so it is"))

    @precondition(lambda self: self._runs())
    @rule(succeeds=st.sampled_from([True, False]))
    def end(self, succeeds: bool) -> None:
        assert self.attempt
        if succeeds:
            self.connection.run(attempts.succeed(self.attempt, result_of("search")))
        else:
            self.connection.run(attempts.fail(self.attempt, JobState.FAILED, "it is"))

    @rule(what=st.sampled_from(["pause", "resume", "pause", "resume", "cancel"]))
    def act(self, what: str) -> None:
        if self._state(self.search) not in OPEN:
            return
        call = {"pause": pauses.pause, "resume": pauses.resume, "cancel": records.cancel}[what]
        self.connection.run(call(self.search))

    @precondition(lambda self: self._state(self.search) == "DEAD")
    @rule()
    def requeue(self) -> None:
        self.connection.run(dead_jobs.requeue(self.search))
        self.told = {number: child for number, child in self.told.items() if JobState(child.state).final}

    # --- its trials

    @rule(pick=PICK)
    def claim_a_trial(self, pick: int) -> None:
        if queued := [trial for trial in self._children() if self._state(trial) == "QUEUED"]:
            trial = some(queued, pick)
            if attempt := self._claim(trial):
                self.trials[trial] = attempt

    @precondition(lambda self: self.trials)
    @rule(pick=PICK, epoch=st.sampled_from([1, 3]), value=VALUES, is_last=st.booleans())
    def reach(self, pick: int, epoch: int, value: float, is_last: bool) -> None:
        trial, attempt = some(list(self.trials.items()), pick)
        at = self.connection.run(children.reach(attempt, epoch, value, is_last=is_last))
        if at is not None:
            # The first word on it stands, and so does what was there then.
            assert repr(self.reached.setdefault((trial, epoch), at)) == repr(at)
            assert len(at.values) >= 1

    @precondition(lambda self: self.trials)
    @rule(pick=PICK, how=st.sampled_from(["SUCCEEDED", "FAILED", "CANCELLED", "PRUNED", "lost", "drained"]))
    def end_a_trial(self, pick: int, how: str) -> None:
        attempt = self.trials.pop(some(list(self.trials), pick))
        if how == "SUCCEEDED":
            self.connection.run(attempts.succeed(attempt, result_of("trial")))
        elif how == "lost":
            self.connection.run(attempts.release(attempt, "lost", "so it is"))
        elif how == "drained":
            self.connection.run(attempts.release(attempt, "drained", "so it is"))
        else:
            self.connection.run(attempts.fail(attempt, UNSUCCESSFUL[how], "it is"))

    @rule(pick=PICK)
    def cancel_a_trial(self, pick: int) -> None:
        if trials := self._children():
            self.connection.run(records.cancel(some(trials, pick)))

    # --- time, and the controller

    @rule()
    def time_passes(self) -> None:
        for job_id in (self.search, *self._children()):
            self.redis.zadd("stoker:due", {job_id: 1}, xx=True)
        self.connection.run(upkeep.wake())

    @rule()
    def repair(self) -> None:
        assert not self.connection.run(damage.repair(keys=100_000)).damages

    @rule()
    def old_records_expire(self) -> None:
        self.connection.run(upkeep.expire(0, 0))

    # --- what must always hold

    @invariant()
    def a_search_that_waits_has_a_trial_to_wait_for_or_a_time(self) -> None:
        if not self.search or self._state(self.search) != "WAITING":
            return
        if self.redis.hexists(f"stoker:job:{self.search}", "paused") or self.redis.zscore("stoker:due", self.search):
            return
        ends = self.redis.hgetall(f"stoker:children:{self.search}")
        assert "" in ends.values(), "it waits for nothing"
        assert not self.redis.hexists(f"stoker:job:{self.search}", "children_news"), "an end has been missed"

    @invariant()
    def what_is_noted_of_trials_is_so(self) -> None:
        noted: dict[str, str] = dict(self.redis.hgetall(f"stoker:children:{self.search}"))  # type: ignore[arg-type]
        for trial, end in noted.items():
            state = self._state(trial)
            assert (state in OPEN) == (end == ""), f"{trial} is {state} and noted as {end!r}"
        if self._state(self.search) in OPEN and noted:
            open_ = int(self.redis.hget(f"stoker:job:{self.search}", "open_children") or 0)
            assert open_ == list(noted.values()).count("")

    @invariant()
    def who_has_ended_leaves_nothing_that_runs_and_no_key(self) -> None:
        state = self._state(self.search)
        if state in OPEN:
            return
        if state != "DEAD":
            assert not self.redis.exists(f"stoker:children:{self.search}", f"stoker:reached:{self.search}")
        for trial in self._children():
            open_ = self._state(trial)
            assert open_ in (*(each.value for each in JobState if each.final), "RUNNING", "QUEUED", "WAITING")
            if open_ == "RUNNING":
                assert self.redis.hget(f"stoker:job:{trial}", "cancel") == "1"
            elif state != "DEAD":
                assert open_ not in OPEN or self._cancelled(trial)

    def _cancelled(self, trial: str) -> bool:
        return self.redis.hget(f"stoker:job:{trial}", "cancel") == "1"

    def _runs(self) -> bool:
        return self.attempt is not None and self._field("owner") == self.attempt.owner

    def _field(self, name: str) -> str | None:
        return self.redis.hget(f"stoker:job:{self.search}", name)  # type: ignore[return-value]

    def _state(self, job_id: str) -> str:
        return self.redis.hget(f"stoker:job:{job_id}", "state") or ""  # type: ignore[return-value]

    def _children(self) -> list[str]:
        names = self.redis.scan_iter(f"stoker:job:{self.search}-*", count=1000)
        return sorted(name.removeprefix("stoker:job:") for name in names)

    def _claim(self, job_id: str) -> Attempt | None:
        self.names += 1
        claimed = self.connection.run(attempts.claim(job_id, f"owner-{self.names}", "worker-1", 3600))
        return claimed if isinstance(claimed, Attempt) else None

    def _expire(self, job_id: str) -> None:
        self.redis.zadd("stoker:leases", {job_id: 1})
        self.redis.hset(f"stoker:job:{job_id}", "lease_until", 1)
        for lost in self.connection.run(upkeep.expired()):
            self.connection.run(upkeep.reclaim(lost))


@pytest.mark.parametrize(
    "examples", [6, pytest.param(25, marks=pytest.mark.slow), pytest.param(400, marks=pytest.mark.chaos)]
)
def test_no_end_is_missed_in_whatever_order_things_happen(redis_url: str, examples: int) -> None:
    run_on_server(Searches, redis_url, examples)
