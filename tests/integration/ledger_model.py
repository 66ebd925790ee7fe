"""The ledger as plain Python: the state machine that the Lua scripts must follow, and what Redis then holds."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from stoker.events import Checkpoint, Event
from stoker.fleet.topology import PRIORITIES, queues
from stoker.kinds import Deploy, Spec, Train
from stoker.ledger.intake import NewJob

from .ledger_job import ModelJob
from .ledger_registry import RegistryModel
from .ledger_sharing import SharingModel

CELERY = {"SUCCEEDED": "SUCCESS", "FAILED": "FAILURE", "DEAD": "FAILURE", "CANCELLED": "REVOKED", "PRUNED": "REVOKED"}
_OF_THE_END = ("finished_at", "reason", "traceback", "result", "cancel", "committed_by")


class LedgerModel:
    """All of it. Each method is one script: it changes the model and gives the script's answer.

    Args:
        members: reads a Redis set in the server's own order, in which dependent jobs are queued.
    """

    def __init__(self, members: Callable[[str], Sequence[str]]) -> None:
        self._members = members
        self.jobs: dict[str, ModelJob] = {}
        self.after: dict[str, set[str]] = {}
        self.keys: dict[str, tuple[str, Spec]] = {}
        self.lists: dict[str, list[str]] = {}
        self.heard: dict[str, int] = {}
        self.discarded: set[str] = set()
        self.ended: set[str] = set()
        self.untold: set[str] = set()
        self.kinds: set[str] = set()
        self.tallies: Counter[str] = Counter()
        self.service: Counter[str] = Counter()
        self.examples: Counter[str] = Counter()
        self.registry = RegistryModel(self._named)
        self.mirrored = False
        self.leader: str | None = None
        self.sequence = self.rings = 0
        self.sharing = SharingModel(self.jobs, self._ring, lambda: self.rings)

    def in_state(self, *states: str) -> list[ModelJob]:
        """The jobs in these states, in order of submission."""
        return [job for job in self.jobs.values() if job.state in states]

    def submit(self, new: Sequence[NewJob], *, held: bool) -> list[str] | str:
        """The ids; or why all are refused: "conflict", "missing", the state of a job to come after, "quota"."""
        ids: list[str] = []
        for job in new:
            if job.idempotency_key in self.keys:
                known, spec = self.keys[job.idempotency_key]
                if spec != job.spec:
                    return "conflict"
                ids.append(known)
                continue
            for first in () if job.id in self.jobs else job.after:
                if first not in ids and first not in self.jobs:
                    return "missing"
                if first in self.jobs and self.jobs[first].state in ("FAILED", "CANCELLED", "DEAD", "PRUNED"):
                    return self.jobs[first].state
            ids.append(job.id)
        if self._too_many([job for job, job_id in zip(new, ids, strict=True) if job.id == job_id]):
            return "quota"
        for job, job_id in zip(new, ids, strict=True):
            if job.id == job_id and job_id not in self.jobs:
                self._take_in(job, held)
        return ids

    def _too_many(self, new: Sequence[NewJob]) -> bool:
        queued = self.sharing.queued()
        queued.update(job.spec.tags.get("tenant", "") for job in new if job.id not in self.jobs)
        tenants = {job.spec.tags.get("tenant", "") for job in new if job.id not in self.jobs}
        limits = {tenant: self.sharing.rule(tenant).queued for tenant in tenants}
        return any(most is not None and queued[tenant] > most for tenant, most in limits.items())

    def _take_in(self, new: NewJob, held: bool) -> None:
        waited_for = {first for first in new.after if self.jobs[first].state != "SUCCEEDED"}
        for first in waited_for:
            self.after.setdefault(first, set()).add(new.id)
        self.sequence += 1
        self.kinds.add(new.spec.kind)
        job = ModelJob(new.id, new.spec, new.queue, self.sequence, len(waited_for), held)
        self.jobs[new.id] = job
        if job.tenant:
            job.fields.add("tenant")
        if new.spec.not_before:
            job.fields.add("not_before")
        if new.after:
            job.fields.add("after")
        job.fields.add("makes" if new.spec.kind == "train" else "model")
        if new.spec.kind in ("deploy", "evaluate"):
            job.fields.add("keeps_nothing")
        if new.spec.kind == "deploy":
            job.fields.add("beside")
        if new.queue.startswith("gpu.") and new.spec.device == "auto":
            job.fields.add("may_fall_back")
        if waited_for or held:
            job.state = "WAITING"
            job.events.append("waiting")
        if not waited_for:
            self._enqueue_when_due(job)
        if new.idempotency_key:
            self.keys[new.idempotency_key] = (new.id, new.spec)
            job.fields.add("idempotency_key")

    def claim(self, job_id: str, owner: str) -> int | str:
        """The attempt's number, or "missing" or "taken"."""
        job = self.jobs.get(job_id)
        if job is None:
            return "missing"
        if job.state == "QUEUED":
            if job.number is not None:
                self.heard[job.list] = max(self.heard.get(job.list, 0), job.number)
            if not self.sharing.may_start(job):
                return "taken"
            self._move(job, "RUNNING")
            job.owner, job.attempt = owner, job.attempt + 1
            job.fields |= {"owner", "lease_until", "worker", "started_at", "last_event_at"}
            job.events.append("started")
            self.tallies[f"wait {job.queue}"] += 1
            self.service[f"started {job.queue.partition('.')[0]} {job.spec.kind}"] += 1
            self._store_celery_result(job, "STARTED")
        return job.attempt if job.owner == owner else "taken"

    def report(self, job_id: str, owner: str, events: Sequence[Event], before: int, keep: int) -> str:
        """ "ok", "cancel" or "lost"."""
        job = self.jobs.get(job_id)
        new = list(events)[max(0, (job.events_sent if job and job.owner else 0) - before) :]
        saved = [event.artifact.digest for event in new if isinstance(event, Checkpoint)]
        if job is None or job.owner != owner:
            self._discard(job_id, saved)
            return "lost"
        job.silent = None
        job.events_sent = max(job.events_sent, before + len(events))
        job.fields.add("told")
        job.events += [event.type for event in new]
        if saved:
            # A checkpoint that is saved again counts as the newest, and once.
            listed = list(dict.fromkeys(reversed([*job.checkpoints, *saved])))
            job.checkpoints = listed[:keep][::-1]
            self.discarded.difference_update(f"{job_id}/{digest}" for digest in job.checkpoints)
            self._discard(job_id, listed)
            job.fields.add("checkpoints")
            job.fields -= {"outage", "setbacks"}
        return "cancel" if "cancel" in job.fields else "pause" if "paused" in job.fields else "ok"

    def _discard(self, job_id: str, digests: Sequence[str]) -> None:
        listed = self.jobs[job_id].checkpoints if job_id in self.jobs else []
        self.discarded.update(f"{job_id}/{digest}" for digest in digests if digest not in listed)

    def succeed(self, job_id: str, owner: str, model: str, version: int, alias: str | None) -> str:
        """ "ok", "lost", "version" or "gone". The model gets a version (0 for none), or that alias if there is one."""
        job = self._to_commit(job_id, owner)
        if isinstance(job, str):
            return job
        if version and not alias:
            if version != self.registry.next_number(model):
                return "version"
            self.registry.register(model, version)
        if version and alias:
            if version not in self.registry.of(model):
                return "gone"
            self.registry.move_alias(model, alias, version)
        self._commit(job, "SUCCEEDED", owner)
        return "ok"

    def fail(self, job_id: str, owner: str, state: str) -> str:
        """ "ok" or "lost"."""
        job = self._to_commit(job_id, owner)
        if isinstance(job, str):
            return job
        self._commit(job, state, owner)
        return "ok"

    def release(self, job_id: str, owner: str, why: str) -> str | None:
        """The new state, or None where the attempt had lost the job."""
        job = self.jobs.get(job_id)
        is_holders = job and (job.owner == owner or (why == "died" and (job.owner or "").startswith(owner)))
        if not job or not is_holders or (why == "expired" and job.silent is None):
            return None
        if why != "outage":
            job.fields.discard("outage")
        if "cancel" in job.fields:
            self._finish(job, "CANCELLED")
        elif why == "drained":
            self._remember_attempt(job, "paused" if "paused" in job.fields else why)
            self._enqueue(job)
        elif why == "outage":
            self._remember_attempt(job, why)
            self._await_outage(job)
        else:
            job.losses += 1
            if job.losses >= job.spec.max_attempts:
                self._finish(job, "DEAD")
            else:
                self._remember_attempt(job, "lost")
                is_first = "setbacks" not in job.fields
                job.fields.add("setbacks")
                if is_first and why != "lost":
                    self._enqueue(job)
                else:
                    self._move(job, "WAITING")
                    job.due = True
                    job.events.append("waiting")
        if job.state in ("WAITING", "QUEUED"):
            self._store_celery_result(job, "RETRY")
        return job.state

    def put_off(self, job_id: str) -> bool:
        """Whether the job was queued."""
        job = self.jobs[job_id]
        if job.state != "QUEUED":
            return False
        self._await_outage(job)
        return True

    def cancel(self, job_id: str) -> str:
        """The state that the job had."""
        job = self.jobs[job_id]
        before = job.state
        if before in ("QUEUED", "WAITING"):
            self._finish(job, "CANCELLED")
        elif before == "RUNNING":
            job.fields.add("cancel")
        return before

    def pause(self, job_id: str) -> str:
        """The state that the job had, or "unsaved"."""
        job = self.jobs[job_id]
        before = job.state
        if before == "RUNNING" and "keeps_nothing" in job.fields:
            return "unsaved"
        if before not in ("WAITING", "QUEUED", "RUNNING") or "paused" in job.fields:
            return before
        job.fields.add("paused")
        if before == "QUEUED":
            self._move(job, "WAITING")
        if before != "RUNNING":
            job.events.append("waiting")
            self._store_celery_retry(job)
        return before

    def resume(self, job_id: str) -> str:
        """The state that the job had."""
        job = self.jobs[job_id]
        before = job.state
        if "paused" in job.fields:
            job.fields.discard("paused")
            if before == "WAITING":
                self._store_celery_retry(job)
            if before == "WAITING" and (job.blockers or job.due):
                job.events.append("waiting")
            elif before == "WAITING":
                self._enqueue_when_due(job)
        return before

    def wake(self) -> int:
        """How many jobs' time has come."""
        due_score = sorted(
            (job for job in self.jobs.values() if job.due_score is not None), key=lambda job: job.due_score or 0
        )
        for job in due_score:
            self._enqueue(job)
        return len(due_score)

    def resend(self, *, patient: bool) -> list[str]:
        """The jobs whose message was lost, unless messages may be under way still."""
        lost: list[str] = []
        gone: dict[str, int] = {}
        for line in [f"{queue}:{priority}" for queue in queues() for priority in PRIORITIES]:
            sent = [job for job in self.jobs.values() if job.number is not None and job.line == line]
            for job in sorted(sent, key=lambda job: job.number or 0):
                newest = self.heard.get(job.list, 0) if self.lists.get(job.list) else self.rings
                if (job.number or 0) <= gone.setdefault(job.list, newest):
                    if not patient:
                        self._ring(job)
                        lost.append(job.id)
                elif job.step_now != job.step:
                    self._ring(job)
            self.sharing.fill(line)
        return lost

    def forget(self, job_id: str) -> None:
        """Drop a job that has ended."""
        job = self.jobs.pop(job_id)
        self.untold.discard(job_id)
        self.keys = {key: known for key, known in self.keys.items() if known[0] != job_id}
        if job.state == "DEAD" and job.spec.kind in ("train", "infer"):
            self.ended.add(job_id)

    def requeue(self, job_id: str) -> None:
        """Give a dead job another try."""
        job = self.jobs[job_id]
        job.losses, job.meta, job.committed_by = 0, None, None
        job.fields -= {*_OF_THE_END, "setbacks"}
        job.events.pop()
        self._enqueue(job)

    def _to_commit(self, job_id: str, owner: str) -> ModelJob | str:
        job = self.jobs.get(job_id)
        if job and job.owner == owner:
            return job
        return "ok" if job and job.committed_by == owner else "lost"

    def _commit(self, job: ModelJob, state: str, owner: str) -> None:
        self._finish(job, state)
        job.committed_by = owner
        job.fields.add("committed_by")

    def _finish(self, job: ModelJob, state: str) -> None:
        self._settle(job, state)
        for next_id in self._dependents(job.id):
            dependent = self.jobs[next_id]
            if state != "SUCCEEDED":
                self._finish(dependent, "CANCELLED")
                continue
            dependent.blockers -= 1
            if not dependent.blockers:
                self._enqueue_when_due(dependent)
        self.after.pop(job.id, None)

    def _dependents(self, job_id: str) -> Iterator[str]:
        if job_id in self.after:
            for next_id in list(self._members(f"stoker:after:{job_id}")):
                if next_id in self.jobs and self.jobs[next_id].state == "WAITING":
                    yield next_id

    def _settle(self, job: ModelJob, state: str) -> None:
        if job.state == "RUNNING":
            self._remember_attempt(job, state)
        self._move(job, state)
        job.fields -= {"outage", "paused"}
        self.tallies[f"finished {job.spec.kind} {state}"] += 1
        job.fields |= {"finished_at"} | ({"result"} if state == "SUCCEEDED" else {"reason", "traceback"})
        if state != "DEAD":
            job.checkpoints = []
            job.fields.discard("checkpoints")
            if job.spec.kind in ("train", "infer"):
                self.ended.add(job.id)
        job.events.append(f"finished {state}")
        self._store_celery_result(job, CELERY[state])

    def _remember_attempt(self, job: ModelJob, how: str) -> None:
        job.history.append((job.attempt, how))
        self.tallies[f"attempt {job.spec.kind} {how}"] += 1
        if how in ("SUCCEEDED", "FAILED"):
            self.service[f"{job.queue.partition('.')[0]} {job.spec.kind}"] += 1
        if how == "SUCCEEDED":
            self.examples[f"{job.queue.partition('.')[0]}:{job.spec.kind}"] += 1

    def _store_celery_result(self, job: ModelJob, status: str) -> None:
        job.meta = status
        if self.mirrored:
            self.untold.add(job.id)

    def _store_celery_retry(self, job: ModelJob) -> None:
        if job.attempt:
            self._store_celery_result(job, "RETRY")

    def _move(self, job: ModelJob, state: str) -> None:
        before, had_message = job.state, job.number is not None
        job.state = state
        job.owner = job.number = job.due_score = job.silent = None
        job.due, job.waits, job.events_sent = False, False, 0
        self.sharing.left(job, before, had_message=had_message)
        job.fields -= {"owner", "lease_until", "told"}

    def _enqueue(self, job: ModelJob) -> None:
        if "paused" in job.fields:
            before = job.state
            self._move(job, "WAITING")
            job.events += ["waiting"] if before != "WAITING" else []
            return
        self._move(job, "QUEUED")
        job.events.append("queued")
        job.fields.add("queued_at")
        job.risen = 0
        self.sharing.hold(job)
        self.sharing.fill(job.line)

    def _await_outage(self, job: ModelJob) -> None:
        self._move(job, "WAITING")
        job.fields.add("outage")
        job.due = True
        job.events.append("waiting")

    def _enqueue_when_due(self, job: ModelJob) -> None:
        if job.held:
            job.due = True
        else:
            self._enqueue(job)

    def _ring(self, job: ModelJob) -> None:
        self.rings += 1
        was_rung, job.number, job.step = job.number is not None, self.rings, job.step_now
        job.fields.add("rung_at")
        self.lists.setdefault(job.list, []).insert(0, job.id)
        if not was_rung:
            self.sharing.message_sent(job)

    def _named(self) -> set[str]:
        specs = (job.spec for job in self.in_state("WAITING", "QUEUED", "RUNNING"))
        return {spec.model for spec in specs if isinstance(spec, Train | Deploy)}
