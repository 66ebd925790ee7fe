"""The ledger in memory: it answers the calls of clients as Redis and the ledger's scripts do, and runs jobs."""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import InvalidJob, StokerError
from ..events import Event, JobState
from ..kinds import Spec, read_spec
from ..ledger import ends, intake, presence, records, registry, uploads, waiting
from ..ledger.keys import key
from ..ledger.scripts import script
from ..models.store import Store
from ..redis.calls import Call
from .made_up import usual_events, usual_result
from .outcomes import Planned
from .plans import Plans
from .records import Entry, Ids, Record, Uploads, as_bytes, id_text, is_wanted, newer_entries, now_ms
from .registry import Models

_WORKER = "testing@memory"
_UPLOAD = uploads.new_upload("", 0, 0, 1.0)
_OPEN = {state.value for state in JobState if not state.final}


class Ledger:
    """Jobs and models of one test; clients that share it see the same. Threads may share it.

    Attributes:
        plans: what the test says of jobs to come.
        models: the registry.
        store_url: a folder for artifacts, which goes with `close`.
    """

    def __init__(self) -> None:
        self.plans = Plans()
        self.models = Models()
        self._folder = tempfile.TemporaryDirectory(prefix="stoker-testing-")
        self.store_url = self._folder.name
        self._jobs: dict[str, Record] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        self._uploads = Uploads()
        self._staged: dict[str, list[str]] = {}
        self._interrupts: dict[str, tuple[int, int]] = {}
        self._ids = Ids()
        self._changed = threading.Condition(threading.RLock())
        self._listeners: list[Callable[[], object]] = []
        # By the script, which is what a call of it has; the names of scripts are the ledger's own.
        self._scripts: dict[Any, Callable[..., Any]] = {
            call.script: answer
            for call, answer in (
                (intake.submit([]), self._submit),
                (intake.stage("", 1, []), self._stage),
                (intake.take_in(""), self._take_in),
                (records.cancel(""), self._cancel),
                (records.query(None, None, 1), self._query),
                (ends.ended([]), self._ended),
                (presence.workers(), lambda _: []),
                (uploads.keep(_UPLOAD), self._uploads.keep),
                (uploads.use(""), self._uploads.use),
                (waiting.interrupt(""), self._interrupt),
                (registry.resolve_all([]), lambda *names: self.models.resolved(names)),
                (registry.catalogue(), lambda *_: self.models.all()),
            )
        }
        self._scripts[script("accept")] = lambda *_: []
        self._commands: dict[str, Callable[..., Any]] = {
            "HMGET": self._hmget,
            "HGET": lambda name, field: self._hmget(name, field)[0],
            "XREAD": self._xread,
        }

    def close(self) -> None:
        """Remove its artifacts."""
        self._folder.cleanup()

    def answer(self, call: Call[Any]) -> Any:
        """What Redis would reply at once."""
        words = call.words
        with self._changed:
            if call.script is None and (command := self._commands.get(str(words[0]))):
                return command(*words[1:])
            if call.script is not None and (play := self._scripts.get(call.script)):
                answer = play(*words)
                self._tell()
                return answer
        what = "this" if call.script else str(words[0])
        raise StokerError(
            f"stoker.testing has no answer to {what}: it plays jobs, their events, models and predictions. Test this "
            "with a server and a worker, as `stoker up` starts them"
        )

    def block_s(self, call: Call[Any]) -> float:
        """How long a call waits for an answer."""
        if call.script is None and "BLOCK" in call.words:
            return float(call.words[call.words.index("BLOCK") + 1]) / 1000
        return 0.0

    def answer_in_time(self, call: Call[Any]) -> Any:
        """What Redis would reply, also to a call that waits."""
        until = time.monotonic() + self.block_s(call)
        with self._changed:
            while (answer := self.answer(call)) is None and (left_s := until - time.monotonic()) > 0:
                self._changed.wait(left_s)
        return answer

    @contextmanager
    def calling(self, changed: Callable[[], object]) -> Iterator[None]:
        """Call `changed` whenever something has changed, for the length of a with block."""
        self._listeners.append(changed)
        try:
            yield
        finally:
            self._listeners.remove(changed)

    def report(self, job_id: str, events: Iterable[Event]) -> None:
        """Let a job that runs send events."""
        with self._changed:
            record = self._running(job_id)
            self._send_all(record, events)
            self._tell()

    def finish(self, job_id: str, planned: Planned) -> None:
        """End a job that runs."""
        with self._changed:
            record = self._running(job_id)
            self._send_all(record, planned.events or ())
            self._end(record, job_id, read_spec(record.fields[b"spec"]), planned)
            self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        for changed in list(self._listeners):
            changed()

    def _running(self, job_id: str) -> Record:
        record = self._jobs.get(job_id)
        if record is None or record.text("state") != JobState.RUNNING:
            state = record.text("state") if record else "unknown"
            raise InvalidJob(f"job {job_id} is {state}, and only one that runs can go on: plan it as testing.runs()")
        return record

    # What scripts do: each takes their arguments, and gives their reply.

    def _submit(self, document: str, iso: str) -> list[Any]:  # noqa: ARG002
        chunk = json.loads(document)
        answer: list[Any] = []
        coming = {job[0] for job in chunk["jobs"]}
        for place, (_, shape, *keyed) in enumerate(chunk["jobs"], 1):
            if keyed and (old := self._keys.get(keyed[0])):
                if old[1] != keyed[1]:
                    return [b"conflict", keyed[0].encode()]
                answer += [place, old[0].encode()]
            for first in chunk["shapes"][shape - 1]["after"]:
                state = self._jobs[first].text("state") if first in self._jobs else "missing"
                if first not in coming and state not in {*_OPEN, JobState.SUCCEEDED}:
                    return [state.encode(), first.encode()]
        for place, job in enumerate(chunk["jobs"], 1):
            if place not in answer[::2] and job[0] not in self._jobs:
                self._add(job, chunk["shapes"][job[1] - 1])
        self._run_due()
        return answer

    def _stage(self, list_id: str, number: int, document: str, ttl_s: int) -> None:  # noqa: ARG002
        self._staged.setdefault(list_id, []).append(document)

    def _take_in(self, list_id: str, iso: str) -> int:
        chunks = self._staged.get(list_id, [])
        if chunks:
            self._submit(chunks.pop(0), iso)
        return int(bool(chunks))

    def _cancel(self, job_id: str, iso: str) -> bytes | None:  # noqa: ARG002
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

    def _query(self, document: str) -> list[Any]:
        search = json.loads(document)
        answer: list[Any] = [b""]
        for job_id, record in reversed(self._jobs.items()):
            if is_wanted(record, search, json.loads(record.text("tags"))):
                answer.append([job_id.encode(), [record.fields.get(name.encode()) for name in search["fields"]]])
            if len(answer) > search["limit"]:
                break
        return answer

    def _ended(self, *job_ids: str) -> list[Any]:
        answer: list[Any] = []
        for place, job_id in enumerate(job_ids, 1):
            record = self._jobs.get(job_id)
            if record is None or record.is_final:
                answer += [place, record.fields[b"state"] if record else b""]
        return answer

    def _interrupt(self, client: str) -> None:
        self._interrupts[key("interrupts", client)] = self._ids.next()

    def _hmget(self, name: str, *fields: str) -> list[bytes | None]:
        record = self._jobs.get(name.removeprefix(key("job", "")))
        return [record.fields.get(field.encode()) if record else None for field in fields]

    def _xread(self, *words: Any) -> list[Any] | None:
        return newer_entries(words, self._stream)

    def _stream(self, name: str) -> list[Entry]:
        if name in self._interrupts:
            return [(self._interrupts[name], b"")]
        record = self._jobs.get(name.removeprefix(key("events", "")))
        return record.events if record else []

    def _add(self, job: list[Any], shape: dict[str, Any]) -> None:
        job_id, _, *keyed = job
        words = list(map(as_bytes, shape["record"]))
        record = Record(dict(zip(words[::2], words[1::2], strict=True)), after=tuple(shape["after"]))
        waits = bool(record.after) or (shape.get("not_before") or 0) > now_ms()
        record.set(sequence=len(self._jobs) + 1, submitted_at=now_ms(), state="WAITING" if waits else "QUEUED")
        self._jobs[job_id] = record
        if keyed:
            self._keys[keyed[0]] = (job_id, keyed[1])
        if not waits:
            self._send(record, "queued", json.dumps({"type": "queued", "queue": shape["queue"]}))
            return
        until = shape.get("not_before")
        waiting_for = {"type": "waiting", "after": record.after} | ({"not_before": until} if until else {})
        self._send(record, "waiting", json.dumps(waiting_for))

    def _run_due(self) -> None:
        """Run every job that may start, also those that come after one that ends here."""
        while due := next((each for each in self._jobs.items() if self._may_start(each[1])), None):
            self._run(*due)

    def _may_start(self, record: Record) -> bool:
        state = record.text("state")
        if state == JobState.WAITING and int(record.text("not_before") or 0) <= now_ms():
            return all(self._jobs[first].text("state") == JobState.SUCCEEDED for first in record.after)
        return state == JobState.QUEUED

    def _run(self, job_id: str, record: Record) -> None:
        spec = read_spec(record.fields[b"spec"])
        planned = self.plans.next(spec)
        if record.text("state") == JobState.WAITING:
            self._send(record, "queued", json.dumps({"type": "queued", "queue": record.text("queue")}))
        record.set(state=JobState.RUNNING.value, attempt=1, worker=_WORKER, started_at=now_ms())
        self._send(record, "started", json.dumps({"type": "started", "worker": _WORKER, "attempt": 1}))
        self._send_all(record, usual_events(spec, planned) if planned.events is None else planned.events)
        if planned.ends:
            self._end(record, job_id, spec, planned)

    def _end(self, record: Record, job_id: str, spec: Spec, planned: Planned) -> None:
        if planned.reason is not None:
            self._settle(record, job_id, JobState.FAILED, reason=planned.reason, traceback=planned.traceback)
            return
        try:
            result = planned.result or usual_result(spec, job_id, self.models, Store(self.store_url), self._made_by)
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
        record.set(state=state.value, finished_at=now_ms(), **outcome)
        finished = {"type": "finished", "state": state.value} | {k: v for k, v in outcome.items() if k == "reason"}
        self._send(record, "finished", json.dumps(finished))
        if state is JobState.SUCCEEDED:
            return
        reason = f"job {job_id}, which it comes after, is {state}"
        for later_id, later in self._jobs.items():
            if job_id in later.after and not later.is_final:
                self._settle(later, later_id, JobState.CANCELLED, reason=reason)

    def _send_all(self, record: Record, events: Iterable[Event]) -> None:
        for event in events:
            self._send(record, event.type, event.model_dump_json(exclude={"id", "at"}))

    def _send(self, record: Record, kind: str, document: str) -> None:
        entry = self._ids.next()
        record.events.append((entry, document.encode()))
        if kind not in ("queued", "waiting", "finished"):
            record.set(last_event_at=entry[0])
        if kind in ("epoch", "progress"):
            record.set(progress=document, progress_id=id_text(entry))
