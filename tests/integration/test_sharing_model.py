"""Whose turn it is, on a real server, step by step against a model: windows, rising priorities, tenants, quotas."""

import time

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize, invariant, precondition, rule

from stoker import JobState
from stoker.ledger import attempts, pauses, quotas, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.tenants import Quota

from .ledger_both import PICK, BothSides, run_on_server, some
from .ledger_keys import actual, expected

AGEING_S = 600.0
QUOTAS = st.builds(
    Quota,
    running=st.sampled_from([None, None, None, 1, 2]),
    queued=st.sampled_from([None, None, 8]),
    weight=st.sampled_from([0.5, 1, 3]),
)
JOBS = st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["normal", "normal", "normal", "high", "low"]))


class Sharing(BothSides):
    """Many jobs of several tenants, in two queues, and few workers. After each step every key is compared."""

    @initialize(jobs=st.lists(JOBS, min_size=12, max_size=16))
    def work_has_piled_up(self, jobs: list[tuple[str, str]]) -> None:
        self.submit_some("train", jobs)

    @rule(kind=st.sampled_from(["train", "train", "deploy"]), jobs=st.lists(JOBS, min_size=2, max_size=6))
    def submit(self, kind: str, jobs: list[tuple[str, str]]) -> None:
        self.submit_some(kind, jobs)

    def submit_some(self, kind: str, jobs: list[tuple[str, str]]) -> None:
        self._submit(
            [
                self._new(kind, {"priority": priority, "tags": {"tenant": tenant} if tenant else {}}, (), None)
                for tenant, priority in jobs
            ],
            held=False,
        )

    @precondition(lambda self: any(self.model.lists.values()))
    @rule(lists=PICK, count=st.integers(3, 9), lost=st.sampled_from([False, False, False, True]))
    def workers_take_messages(self, lists: int, count: int, lost: bool) -> None:
        for _ in range(count):
            names = [name for name, ids in self.model.lists.items() if ids]
            if names:
                self._take(some(names, lists), lost=lost)

    @precondition(lambda self: self.model.in_state("RUNNING"))
    @rule(pick=PICK, how=st.sampled_from(["fail", "fail", "fail", "drained", "lost"]))
    def a_job_ends(self, pick: int, how: str) -> None:
        attempt = self._attempt_of(some(self.model.in_state("RUNNING"), pick).id)
        if how == "fail":
            answer = self.model.fail(attempt.job_id, attempt.owner, "FAILED")
            assert self.connection.run(attempts.fail(attempt, JobState.FAILED, "bad data")) == answer
            return
        state = self.model.release(attempt.job_id, attempt.owner, how)
        assert self.connection.run(attempts.release(attempt, how, "moved")) == state  # type: ignore[arg-type]
        self._hold(attempt.job_id, state)

    def _attempt_of(self, job_id: str) -> Attempt:
        return next(attempt for attempt in reversed(self.attempts) if attempt.job_id == job_id)

    @precondition(lambda self: self.model.in_state("QUEUED"))
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        job = some(self.model.in_state("QUEUED"), pick)
        before = self.model.cancel(job.id)
        assert self.connection.run(records.cancel(job.id)) == before

    @precondition(lambda self: any(job.waits for job in self.model.jobs.values()))
    @rule(pick=PICK)
    def a_message_comes_for_a_job_whose_turn_it_is_not(self, pick: int) -> None:
        self._claim(some([job.id for job in self.model.jobs.values() if job.waits], pick), self._name("owner"))

    @precondition(lambda self: self.model.in_state("QUEUED"))
    @rule(pick=PICK, levels=st.integers(1, 2))
    def a_job_has_waited_long(self, pick: int, levels: int) -> None:
        job = some(self.model.in_state("QUEUED"), pick)
        job.risen = levels
        self.redis.hset(f"stoker:job:{job.id}", "queued_at", round((time.time() - levels * AGEING_S - 9) * 1000))

    @precondition(lambda self: self.model.in_state("QUEUED"))
    @rule(patient=st.booleans())
    def resend(self, patient: bool) -> None:
        answer = self.model.resend(patient=patient)
        assert self.connection.run(upkeep.resend(3600.0 if patient else -1.0)) == answer

    @rule(by_tenant=st.dictionaries(st.sampled_from(["default", "a", "b"]), QUOTAS, max_size=3))
    def other_quotas_hold(self, by_tenant: dict[str, Quota]) -> None:
        changes = self.model.sharing.set_quotas(by_tenant)
        assert self.connection.run(quotas.set_quotas(by_tenant, AGEING_S)) == changes

    @rule(name=st.sampled_from(["queue cpu.train", "queue cpu.batch", "tenant ", "tenant a", "tenant b"]))
    def what_is_paused_goes_on_and_what_is_not_is_paused(self, name: str) -> None:
        what, _, its_name = name.partition(" ")
        is_to_pause = name not in self.model.sharing.paused
        assert self.model.sharing.set_paused(what, its_name, is_to_pause)
        for changes in (True, False):
            call = pauses.set_paused(what, its_name, paused=is_to_pause)  # type: ignore[arg-type]
            assert self.connection.run(call) is changes

    # --- what must always hold

    @invariant()
    def redis_holds_what_the_model_says_and_nothing_else(self) -> None:
        assert actual(self.redis) == expected(self.model)

    @invariant()
    def nobody_runs_more_than_may(self) -> None:
        found = {tenant.name: (tenant.queued, tenant.running) for tenant in self.connection.run(quotas.tenants())}
        queued, running = self.model.sharing.queued(), self.model.sharing.running()
        assert found == {name: (queued[name], running[name]) for name in queued | running}


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize(
    "examples", [4, pytest.param(12, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.chaos)]
)
def test_the_scripts_ring_for_the_job_whose_turn_it_is(redis_url: str, examples: int) -> None:
    run_on_server(Sharing, redis_url, examples)
