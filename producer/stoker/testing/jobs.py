"""The jobs of a ledger in memory: each starts as soon as it may, and ends as the test says."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import InvalidJob, StokerError
from ..events import Event, JobState
from ..kinds import Spec, read_spec
from ..models.store import Store
from .foreseen import look
from .made_up import usual_events, usual_result
from .outcomes import Planned
from .plans import Plans
from .records import Entry, Ids, Record, as_bytes, flat, id_text, is_identical, is_wanted, now_ms
from .registry import Models

_WORKER = "testing@memory"
_OPEN = {state.value for state in JobState if not state.final}


class Jobs:
    """All jobs; what is named as a script takes that one's arguments, and gives its reply."""

    def __init__(self, plans: Plans, models: Models, store: Store) -> None:
        self._plans, self._models, self._store = plans, models, store
        self._jobs: dict[str, Record] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        self._staged: dict[str, list[str]] = {}
        # Since when each queue and tenant is paused that is, ms.
        self._pauses: dict[str, int] = {}
        self.ids = Ids()

    def submit(self, document: str, iso: str, models: str = "[]") -> list[Any]:  # noqa: ARG002
        """See submit.lua."""
        if self._models.moved(models):
            return [b"moved"]
        chunk = json.loads(document)
        answer: list[Any] = []
        coming = {job[0] for job in chunk["jobs"]}
        for place, (_, shape, *keyed) in enumerate(chunk["jobs"], 1):
            if keyed and (old := self._keys.get(keyed[0])):
                if old[1] != keyed[1]:
                    return [b"conflict", keyed[0].encode()]
                answer += [place, old[0].encode()]
            elif (holder := self._holder(chunk["shapes"][shape - 1])) and len(chunk["jobs"]) > 1:
                return [b"busy", holder.encode()]
            elif holder:
                answer += [place, holder.encode()]
            for first in chunk["shapes"][shape - 1]["after"]:
                state = self._jobs[first].text("state") if first in self._jobs else "missing"
                if first not in coming and state not in {*_OPEN, JobState.SUCCEEDED}:
                    return [state.encode(), first.encode()]
        for place, job in enumerate(chunk["jobs"], 1):
            if place not in answer[::2] and job[0] not in self._jobs:
                self._add(job, chunk["shapes"][job[1] - 1])
        self._run_due()
        return answer

    def _holder(self, shape: dict[str, Any]) -> str | None:
        """The job that is given back for one like it, or with its key; one whose place that takes is cancelled."""
        key = (shape.get("singleton") or "").encode()
        for job_id, record in reversed(self._jobs.items()):
            if is_identical(record, shape) and self._models.still_has(record, job_id):
                record.set(reused=int(record.text("reused") or 0) + 1)
                return job_id
            if key and record.fields.get(b"singleton") == key and not record.is_final:
                if not shape.get("debounce_ms") or int(record.text("attempt") or 0):
                    return job_id
                self._settle(record, job_id, JobState.CANCELLED, reason="another job takes its place")
        return None

    def stage(self, list_id: str, number: int, document: str, ttl_s: int) -> None:  # noqa: ARG002
        """See stage.lua."""
        self._staged.setdefault(list_id, []).append(document)

    def take_in(self, list_id: str, iso: str) -> int:
        """See take_in.lua."""
        chunks = self._staged.get(list_id, [])
        if chunks:
            self.submit(chunks.pop(0), iso)
        return int(bool(chunks))

    def cancel(self, job_id: str, iso: str) -> bytes | None:  # noqa: ARG002
        """See cancel.lua."""
        record = self._jobs.get(job_id)
        if record is None:
            return None
        state = record.fields[b"state"]
        if not record.is_final:
            ran = state == JobState.RUNNING.encode()
            reason = "cancelled while it ran" if ran else "cancelled before it started"
            if ran:
                record.set(cancel=1)
            self._settle(record, job_id, JobState.CANCELLED, reason=reason)
            self._run_due()
        return state

    def pause(self, job_id: str) -> bytes | None:
        """See pause.lua."""
        record = self._jobs.get(job_id)
        if record is None:
            return None
        state = record.fields[b"state"]
        if state == b"RUNNING" and record.text("keeps_nothing") == "1":
            return b"unsaved"
        if not record.is_final and not record.text("paused"):
            record.set(paused=now_ms(), state=JobState.WAITING.value)
            self._wait(record, reason="paused")
        return state

    def resume(self, job_id: str) -> bytes | None:
        """See resume.lua."""
        record = self._jobs.get(job_id)
        if record is None:
            return None
        state = record.fields[b"state"]
        if not record.is_final and record.is_paused:
            del record.fields[b"paused"]
            if self._is_due(record):
                self._enqueue(record, reason="resumed")
            else:
                self._wait(record, reason="resumed")
            self._run_due()
        return state

    def set_paused(self, what: str, name: str, paused: int) -> int:
        """See pauses.lua."""
        field = f"{what} {name}"
        if (field in self._pauses) == bool(paused):
            return 0
        if paused:
            self._pauses[field] = now_ms()
        else:
            del self._pauses[field]
            self._run_due()
        return 1

    def paused(self, limit: int) -> list[Any]:
        """See paused.lua."""
        jobs = [
            (record.fields[b"paused"], job_id.encode()) for job_id, record in self._jobs.items() if record.is_paused
        ]
        longest = flat((job_id, since) for since, job_id in sorted(jobs)[:limit])
        return [len(jobs), longest, flat((name.encode(), as_bytes(since)) for name, since in self._pauses.items())]

    def foreseen(self, device: str) -> bytes:
        """See foresee.lua."""
        return look(self._jobs, device)

    def query(self, document: str) -> list[Any]:
        """See query.lua."""
        search = json.loads(document)
        answer: list[Any] = [b""]
        for job_id, record in reversed(self._jobs.items()):
            if is_wanted(record, search, json.loads(record.text("tags"))):
                answer.append([job_id.encode(), [record.fields.get(name.encode()) for name in search["fields"]]])
            if len(answer) > search["limit"]:
                answer[0] = record.fields[b"sequence"]
                break
        return answer

    def ended(self, *job_ids: str) -> list[Any]:
        """See `ends.ended`."""
        answer: list[Any] = []
        for place, job_id in enumerate(job_ids, 1):
            record = self._jobs.get(job_id)
            if record is None or record.is_final:
                answer += [place, record.fields[b"state"] if record else b""]
        return answer

    def values(self, job_id: str, fields: Sequence[str]) -> list[bytes | None]:
        """Fields of a job's record."""
        record = self._jobs.get(job_id)
        return [record.fields.get(field.encode()) if record else None for field in fields]

    def events(self, job_id: str) -> list[Entry]:
        """A job's stream."""
        record = self._jobs.get(job_id)
        return record.events if record else []

    def submitted(self, idempotency_key: str) -> bytes | None:
        """What stands behind a key: the id of a job and its spec's digest."""
        return " ".join(self._keys[idempotency_key]).encode() if idempotency_key in self._keys else None

    @property
    def last_sequence(self) -> int:
        """That of the newest job; 0 without any."""
        return len(self._jobs)

    def running(self, job_id: str) -> Record:
        """The record of a job that runs.

        Raises:
            InvalidJob: it does not.
        """
        record = self._jobs.get(job_id)
        if record is None or record.text("state") != JobState.RUNNING:
            state = record.text("state") if record else "unknown"
            raise InvalidJob(f"job {job_id} is {state}, and only one that runs can go on: plan it as testing.runs()")
        return record

    def _add(self, job: list[Any], shape: dict[str, Any]) -> None:
        job_id, _, *keyed = job
        words = list(map(as_bytes, shape["record"]))
        record = Record(dict(zip(words[::2], words[1::2], strict=True)), after=tuple(shape["after"]))
        waits = bool(record.after) or (shape.get("not_before") or 0) > now_ms()
        record.set(sequence=len(self._jobs) + 1, submitted_at=now_ms(), state=JobState.WAITING.value)
        self._jobs[job_id] = record
        if keyed:
            self._keys[keyed[0]] = (job_id, keyed[1])
        if not waits:
            self._enqueue(record)
        elif until := shape.get("not_before"):
            self._wait(record, after=record.after, not_before=until)
        else:
            self._wait(record, after=record.after)

    def _wait(self, record: Record, **why: object) -> None:
        self._send(record, "waiting", json.dumps({"type": "waiting", **why}))

    def _enqueue(self, record: Record, **why: str) -> None:
        record.set(state=JobState.QUEUED.value)
        self._send(record, "queued", json.dumps({"type": "queued", "queue": record.text("queue"), **why}))

    def _run_due(self) -> None:
        """Queue or run every job that may go on, also those that come after one that ends here."""
        while due := next((each for each in self._jobs.items() if self._is_due(each[1])), None):
            job_id, record = due
            if record.text("state") == JobState.WAITING:
                self._enqueue(record)
            else:
                self._run(job_id, record)

    def _is_due(self, record: Record) -> bool:
        if record.text("state") == JobState.QUEUED:
            held_by = (f"queue {record.text('queue')}", f"tenant {record.text('tenant')}")
            return self._pauses.keys().isdisjoint(held_by)
        if record.text("state") != JobState.WAITING or record.is_paused:
            return False
        may_start = int(record.text("not_before") or 0) <= now_ms()
        return may_start and all(self._jobs[first].text("state") == JobState.SUCCEEDED for first in record.after)

    def _run(self, job_id: str, record: Record) -> None:
        spec = read_spec(record.fields[b"spec"])
        goes_on = record.planned is not None
        planned = record.planned = record.planned or self._plans.next(spec)
        attempt = int(record.text("attempt") or 0) + 1
        record.set(state=JobState.RUNNING.value, attempt=attempt, worker=_WORKER, started_at=now_ms())
        self._send(record, "started", json.dumps({"type": "started", "worker": _WORKER, "attempt": attempt}))
        if not goes_on:
            self.send_all(record, usual_events(spec, planned) if planned.events is None else planned.events)
        if planned.ends:
            self.end(record, job_id, spec, planned)

    def end(self, record: Record, job_id: str, spec: Spec, planned: Planned) -> None:
        """End a job that runs, as a test has planned it."""
        if planned.reason is not None:
            self._settle(record, job_id, JobState.FAILED, reason=planned.reason, traceback=planned.traceback)
            return
        try:
            result = planned.result or usual_result(spec, job_id, self._models, self._store, self._made_by)
        except StokerError as error:
            self._settle(record, job_id, JobState.FAILED, reason=error.message)
            return
        if planned.fields:
            result = type(result).model_validate(result.model_dump() | planned.fields)
        record.set(result=result.model_dump_json())
        self._settle(record, job_id, JobState.SUCCEEDED)

    def _made_by(self, job_id: str) -> str:
        """The model that a job has made."""
        return str(json.loads(self._jobs[job_id].fields[b"result"])["model"])

    def _settle(self, record: Record, job_id: str, state: JobState, **outcome: str) -> None:
        record.fields.pop(b"paused", None)
        record.set(state=state.value, finished_at=now_ms(), **outcome)
        finished = {"type": "finished", "state": state.value} | {k: v for k, v in outcome.items() if k == "reason"}
        self._send(record, "finished", json.dumps(finished))
        if state is JobState.SUCCEEDED:
            return
        reason = f"job {job_id}, which it comes after, is {state}"
        for later_id, later in self._jobs.items():
            if job_id in later.after and not later.is_final:
                self._settle(later, later_id, JobState.CANCELLED, reason=reason)

    def send_all(self, record: Record, events: Iterable[Event]) -> None:
        """Let a job send events."""
        for event in events:
            self._send(record, event.type, event.model_dump_json(exclude={"id", "at"}))

    def _send(self, record: Record, kind: str, document: str) -> None:
        entry = self.ids.next()
        record.events.append((entry, document.encode()))
        if kind not in ("queued", "waiting", "finished"):
            record.set(last_event_at=entry[0])
        if kind in ("epoch", "progress"):
            record.set(progress=document, progress_id=id_text(entry))
