"""What clients and workers do to the ledger, each step done to its model and to a real server."""

from datetime import datetime
from typing import Literal

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize, precondition, rule

import stoker
from stoker import JobState
from stoker.events import Checkpoint, Event, Log
from stoker.fleet.topology import WorkDevice
from stoker.kinds import DeployResult, Priority, Result, TrainResult
from stoker.ledger import attempts, pauses, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.attempts import Unsuccessful
from stoker.models.effects import MoveAlias
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Signature
from stoker.outages import Dependency, Outage

from .ledger_both import FUTURE, LEASE_S, PAST, PICK, BothSides, some
from .ledger_job import FINAL

MODELS = ("one", "two")
AWAY = Outage(of=Dependency.STORE, reason="the store is read-only")
# So few that checkpoints of one job, of two of its attempts, and of two jobs have the same bytes.
DIGESTS = ("a" * 64, "b" * 64, "c" * 64)


class ClientsAndWorkers(BothSides):
    """Each rule is one step of the model and the same step on the server."""

    # --- clients

    @rule(
        kind=st.sampled_from(["train", "deploy"]),
        priority=st.sampled_from(["high", "normal", "low"]),
        tenant=st.sampled_from(["", "a", "b", "c"]),
        when=st.sampled_from([None, PAST, FUTURE]),
        max_attempts=st.integers(1, 2),
        after=st.lists(PICK, max_size=2),
        key=st.sampled_from([None, None, "monday", "tuesday"]),
        chained=st.booleans(),
        in_chunks=st.booleans(),
        device=st.sampled_from(["cpu", "cpu", "gpu"]),
    )
    def submit(
        self,
        kind: str,
        priority: Priority,
        tenant: str,
        when: datetime | None,
        max_attempts: int,
        after: list[int],
        key: str | None,
        chained: bool,
        in_chunks: bool,
        device: WorkDevice,
    ) -> None:
        known = [job.id for job, _ in self.submitted] or ["nobody"]
        common: dict[str, object] = {"priority": priority, "not_before": when, "max_attempts": max_attempts}
        common["tags"] = {"tenant": tenant} if tenant else {}
        first = self._new(kind, common, tuple(some(known, pick) for pick in after), key, device)
        new = [first]
        if chained and key is None:
            new.append(self._new("deploy", common, (first.id,), None))
        self._submit(new, held=when is FUTURE, in_chunks=in_chunks and key is None)

    @precondition(lambda self: self.submitted)
    @rule(pick=PICK)
    def submit_again_because_the_answer_was_lost(self, pick: int) -> None:
        job, held = some(self.submitted, pick)
        if job.id in self.model.jobs:
            self._submit([job], held=held)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        job = some(list(self.model.jobs.values()), pick)
        before = self.model.cancel(job.id)
        assert self.connection.run(records.cancel(job.id)) == before

    @precondition(lambda self: self.model.in_state("WAITING", "QUEUED", "RUNNING"))
    @rule(pick=PICK)
    def pause(self, pick: int) -> None:
        job = some(list(self.model.jobs.values()), pick)
        before = self.model.pause(job.id)
        if before == "unsaved" or before in FINAL:
            with pytest.raises(stoker.InvalidJob):
                self.connection.run(pauses.pause(job.id))
        else:
            assert self.connection.run(pauses.pause(job.id)) == before

    @precondition(lambda self: any("paused" in job.fields for job in self.model.jobs.values()))
    @rule(pick=PICK)
    def resume(self, pick: int) -> None:
        job = some([job for job in self.model.jobs.values() if "paused" in job.fields], pick)
        before = self.model.resume(job.id)
        assert self.connection.run(pauses.resume(job.id)) == before

    # --- workers

    @initialize(kinds=st.lists(st.sampled_from(["train", "train", "deploy"]), min_size=2, max_size=5))
    def work_has_begun(self, kinds: list[str]) -> None:
        for kind in kinds:
            self._submit([self._new(kind, {"max_attempts": 2}, (), None)], held=False)
        self._take("cpu.train\x06\x166" if "train" in kinds else "cpu.batch\x06\x166", lost=False)

    @precondition(lambda self: any(self.model.lists.values()))
    @rule(pick=PICK, lost=st.sampled_from([False, False, False, True]))
    def take_a_message(self, pick: int, lost: bool) -> None:
        self._take(some([name for name, ids in self.model.lists.items() if ids], pick), lost=lost)

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK, same_owner=st.booleans())
    def claim_again(self, pick: int, same_owner: bool) -> None:
        attempt = some(self.attempts, pick)
        job = self.model.jobs.get(attempt.job_id)
        # Nobody repeats a claim after it has been answered, and the job was taken away.
        if job and job.state == "QUEUED":
            return
        self._claim(attempt.job_id, attempt.owner if same_owner else self._name("owner"))

    @precondition(lambda self: self.attempts)
    @rule(
        pick=PICK,
        texts=st.lists(st.sampled_from(["a log line", *DIGESTS]), max_size=3),
        repeats=st.booleans(),
        keep=st.integers(1, 2),
    )
    def report(self, pick: int, texts: list[str], repeats: bool, keep: int) -> None:
        attempt = some(self.attempts, pick)
        before = self.events_sent.get(attempt.owner, 0)
        events = [checkpoint(text) if text in DIGESTS else Log(line=text) for text in texts]
        for _ in range(2 if repeats else 1):
            answer = self.model.report(attempt.job_id, attempt.owner, events, before, keep)
            call = attempts.report(attempt, LEASE_S, events, sent_before=before, keep=keep)
            assert self.connection.run(call) == answer
        if answer != "lost":
            self.events_sent[attempt.owner] = before + len(events)

    @precondition(lambda self: self.attempts)
    @rule(
        pick=PICK,
        name=st.sampled_from(MODELS),
        aside=st.sampled_from([0, 0, 0, -1, 1]),
        bare=st.sampled_from([False, False, True]),
    )
    def succeed(self, pick: int, name: str, aside: int, bare: bool) -> None:
        attempt = some(self.attempts, pick)
        number = self.model.registry.next_number(name)
        if attempt.job_id in self.model.jobs and self.model.jobs[attempt.job_id].spec.kind == "deploy":
            self._succeed(attempt, DeployResult(model=f"{name}@{max(number - 1, 1)}", alias="live"), None)
        else:
            number += aside
            made = None if bare or not number else version(name, number, attempt.job_id)
            self._succeed(attempt, result_of(made.ref if made else name), made)

    def _succeed(self, attempt: Attempt, result: Result, made: ModelVersion | None) -> None:
        name, _, number = (made.ref if made else result.words()).partition("@")
        alias = result.alias if isinstance(result, DeployResult) else None
        effects: list[ModelVersion | MoveAlias] = [made] if made else []
        if isinstance(result, DeployResult):
            effects.append(MoveAlias(model=result.model, alias=result.alias))
        answer = self.model.succeed(attempt.job_id, attempt.owner, name, int(number or 0), alias)
        assert self.connection.run(attempts.succeed(attempt, result, effects)) == answer

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK, state=st.sampled_from([JobState.FAILED, JobState.CANCELLED, JobState.PRUNED]))
    def fail(self, pick: int, state: Unsuccessful) -> None:
        attempt = some(self.attempts, pick)
        answer = self.model.fail(attempt.job_id, attempt.owner, state)
        assert self.connection.run(attempts.fail(attempt, state, "bad data", "Traceback …")) == answer

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK)
    def meet_an_outage(self, pick: int) -> None:
        attempt = some(self.attempts, pick)
        answer = self.model.release(attempt.job_id, attempt.owner, "outage")
        assert self.connection.run(attempts.await_outage(attempt, AWAY)) == answer
        self._hold(attempt.job_id, answer)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=PICK)
    def put_off(self, pick: int) -> None:
        job = some(list(self.model.jobs.values()), pick)
        was_queued = self.model.put_off(job.id)
        assert self.connection.run(attempts.put_off(job.id, AWAY)) is was_queued
        self._hold(job.id, "WAITING" if was_queued else None)

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK, why=st.sampled_from(["drained", "lost", "lost"]))
    def release(self, pick: int, why: Literal["drained", "lost"]) -> None:
        attempt = some(self.attempts, pick)
        answer = self.model.release(attempt.job_id, attempt.owner, why)
        assert self.connection.run(attempts.release(attempt, why, "its process was killed")) == answer
        self._hold(attempt.job_id, answer)

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK)
    def a_slot_dies(self, pick: int) -> None:
        attempt = some(self.attempts, pick)
        answer = self.model.release(attempt.job_id, attempt.owner, "died")
        call = upkeep.reclaim_from_slot(attempt.job_id, attempt.owner, "its slot was killed")
        assert self.connection.run(call) == answer
        self._hold(attempt.job_id, answer)


def checkpoint(digest: str) -> Event:
    return Checkpoint(epoch=1, step=1, artifact=Artifact(name="checkpoint.npz", digest=digest, size=10**9))


def result_of(model: str) -> TrainResult:
    return TrainResult(model=model, metrics={}, history={}, epochs=1, rows=1, parameters=1, seed=0, run_s=1, files={})


def version(name: str, number: int, job_id: str) -> ModelVersion:
    return ModelVersion(
        name=name,
        version=number,
        signature=Signature(inputs=(), outputs=(), task="multiclass"),
        metrics={},
        files={},
        parameters=1,
        job=job_id,
        data="sample://digits",
        created_at=PAST,
    )
