"""The ledger's scripts on a real server, step by step against a model of their state machine."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import invariant, precondition, rule

import stoker
from stoker.ledger import attempts, autoscaling, celery_results, dead_jobs, records, upkeep

from .ledger_both import FUTURE, LEASE_S, PICK, run_on_server, some
from .ledger_job import FINAL, ModelJob
from .ledger_keepers import ModelKeepers
from .ledger_keys import actual, expected
from .ledger_machine import ClientsAndWorkers


class Ledger(ClientsAndWorkers, ModelKeepers):
    """Controllers and operators, and time, which passes by being written. After each step every key is compared."""

    @precondition(lambda self: self.model.in_state("RUNNING"))
    @rule(pick=PICK, then=st.sampled_from(["", "reclaim", "reclaim", "speak"]), controllers=st.integers(1, 2))
    def a_worker_falls_silent(self, pick: int, then: str, controllers: int) -> None:
        job = some(self.model.in_state("RUNNING"), pick)
        job.silent = self._tick()
        self.redis.zadd("stoker:leases", {job.id: job.silent})
        self.redis.hset(f"stoker:job:{job.id}", "lease_until", job.silent)
        if then:
            self._reclaim(speaks=then == "speak", controllers=controllers)

    def _reclaim(self, *, speaks: bool, controllers: int) -> None:
        """Take the jobs of silent workers from them, all of which the controllers have read before one of them acts."""
        silent = sorted((job for job in self.model.in_state("RUNNING") if job.silent), key=lambda job: job.silent or 0)
        found = self.connection.run(upkeep.expired())
        assert [(lost.job_id, lost.owner) for lost in found] == [(job.id, job.owner) for job in silent]
        for lost in found:
            attempt = next(attempt for attempt in self.attempts if attempt.owner == lost.owner)
            if speaks:
                before = self.events_sent.get(lost.owner, 0)
                answer = self.model.report(lost.job_id, lost.owner, [], before, 1)
                assert self.connection.run(attempts.report(attempt, LEASE_S, sent_before=before)) == answer
            for _ in range(controllers):
                state = self.model.release(lost.job_id, lost.owner, "expired")
                assert self.connection.run(upkeep.reclaim(lost)) == state
                self._hold(lost.job_id, state)

    @precondition(lambda self: self.model.in_state("QUEUED", "RUNNING"))
    @rule(pick=PICK)
    def the_servers_clock_is_set_back(self, pick: int) -> None:
        job = some(self.model.in_state("QUEUED", "RUNNING"), pick)
        times = {"queued_at", "started_at", "last_event_at"} & job.fields
        self.redis.hset(f"stoker:job:{job.id}", mapping=dict.fromkeys(times, round(FUTURE.timestamp() * 1000)))
        if job.state == "RUNNING":
            self.redis.zadd("stoker:last-events", {job.id: FUTURE.timestamp() * 1000})

    @precondition(lambda self: self._waiting_for_a_time())
    @rule(pick=PICK, wakes=st.sampled_from([True, True, False]))
    def a_time_comes(self, pick: int, wakes: bool) -> None:
        job = some(self._waiting_for_a_time(), pick)
        if job.due:
            job.due_score = self._tick()
            self.redis.zadd("stoker:due", {job.id: job.due_score})
        job.held = False
        if "not_before" in job.fields:
            self.redis.hset(f"stoker:job:{job.id}", "not_before", 1)
        if wakes:
            answer = self.model.wake()
            assert self.connection.run(upkeep.wake()) == answer

    def _waiting_for_a_time(self) -> list[ModelJob]:
        return [job for job in self.model.in_state("WAITING") if job.due or job.held]

    @precondition(lambda self: self.model.in_state("QUEUED"))
    @rule(patience_s=st.sampled_from([-1.0, -1.0, 3600.0]))
    def resend(self, patience_s: float) -> None:
        answer = self.model.resend(patient=patience_s > 0)
        assert self.connection.run(upkeep.resend(patience_s)) == answer

    @precondition(lambda self: len(self.model.in_state(*FINAL)) > 2)
    @rule(keep=st.integers(1, 4))
    def expire(self, keep: int) -> None:
        ended = [(int(self._field(job, "finished_at")), job.id) for job in self.model.in_state(*FINAL)]
        old = sorted(ended)[: max(0, len(ended) - keep)]
        for _, job_id in old:
            self.model.forget(job_id)
        assert self.connection.run(upkeep.expire(keep, 3600)) == len(old)

    def _field(self, job: ModelJob, name: str) -> Any:
        return self.redis.hget(f"stoker:job:{job.id}", name)

    @precondition(lambda self: self.model.in_state(*FINAL))
    @rule(pick=PICK, requeues=st.booleans())
    def requeue_or_drop(self, pick: int, requeues: bool) -> None:
        job = some(self.model.in_state("DEAD") or list(self.model.jobs.values()), pick)
        call = dead_jobs.requeue(job.id) if requeues else dead_jobs.drop(job.id)
        if job.state != "DEAD":
            with pytest.raises(stoker.InvalidJob, match=f"is {job.state}, not DEAD"):
                self.connection.run(call)
            return
        (self.model.requeue if requeues else self.model.forget)(job.id)
        self.connection.run(call)

    @precondition(lambda self: self.model.in_state("RUNNING"))
    @rule(name=st.sampled_from("ab"), stays=st.booleans())
    def lead(self, name: str, stays: bool) -> None:
        if self.model.leader in (None, name):
            self.model.leader = name
        assert self.connection.run(upkeep.lead(name, LEASE_S)) == (self.model.leader == name)
        if not stays:
            self.connection.run(upkeep.resign(name))
            self.model.leader = None if self.model.leader == name else self.model.leader

    @precondition(lambda self: self.model.discarded)
    @rule()
    def a_controller_reads_what_is_discarded(self) -> None:
        found = self.connection.run(upkeep.discarded())
        assert {f"{job_id}/{artifact.digest}" for job_id, artifact in found} == self.model.discarded
        self.doomed += found

    @precondition(lambda self: self.doomed)
    @rule()
    def and_deletes_it_whatever_has_happened_since(self) -> None:
        for job_id, artifact in self.doomed:
            self.connection.run(upkeep.deleted(job_id, artifact))
            self.model.discarded.discard(f"{job_id}/{artifact.digest}")
        self.doomed = []

    @precondition(lambda self: self.model.ended)
    @rule()
    def clear_the_parts_of_ended_trainings(self) -> None:
        for job_id in self.connection.run(upkeep.ended()):
            self.connection.run(upkeep.cleared(job_id))
            self.model.ended.remove(job_id)

    @precondition(lambda self: self.model.in_state("RUNNING"))
    @rule()
    def copy_results(self) -> None:
        self.connection.run(celery_results.mirror())
        self.model.mirrored = True
        for state in self.connection.run(celery_results.pending()):
            self.connection.run(celery_results.copied(state))
            self.model.untold.remove(state.job_id)

    # --- what must always hold

    @invariant()
    def redis_holds_what_the_model_says_and_nothing_else(self) -> None:
        assert actual(self.redis) == expected(self.model)

    @invariant()
    def no_listed_checkpoint_is_to_be_deleted(self) -> None:
        listed = {f"{job.id}/{digest}" for job in self.model.jobs.values() for digest in job.checkpoints}
        assert not listed & self.model.discarded

    @invariant()
    def counts_and_queries_agree(self) -> None:
        counts = self.connection.run(records.counts())
        for (kind, state), count in counts.items():
            assert count == sum(job.spec.kind == kind for job in self.model.in_state(state))
        for device in ("cpu", "gpu"):
            traffic = self.connection.run(autoscaling.traffic(device))
            of_device = [job for job in self.model.jobs.values() if job.queue.startswith(f"{device}.")]
            times = [elapsed_ms for _, elapsed_ms, _ in traffic.running.seen]
            assert min([traffic.oldest_ms, *times, *(kind.service_ms for kind in traffic.kinds.values())]) >= 0
            assert traffic.running.count == sum(job.state == "RUNNING" for job in of_device)
            for kind in ("train", "deploy"):
                queued = sum(job.state == "QUEUED" and job.spec.kind == kind for job in of_device)
                assert (traffic.kinds[kind].jobs, traffic.kinds[kind].queued) == (queued, queued)
        newest = sorted(self.model.jobs.values(), key=lambda job: -job.sequence)
        found = self.connection.run(records.query(None, None, 5))
        assert [(job.id, job.state) for job in found] == [(job.id, job.state) for job in newest[:5]]


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize(
    "examples", [10, pytest.param(25, marks=pytest.mark.slow), pytest.param(400, marks=pytest.mark.chaos)]
)
def test_the_scripts_do_what_the_state_machine_says(redis_url: str, examples: int) -> None:
    run_on_server(Ledger, redis_url, examples)
