"""The ledger in memory: it answers the calls of clients as Redis and the ledger's scripts do."""

import itertools
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import StokerError
from ..events import Event
from ..kinds import read_spec
from ..ledger import ends, registry, waiting
from ..ledger.keys import key
from ..ledger.scripts import script
from ..models.store import Store
from ..redis.calls import Call, Script
from .jobs import Jobs
from .model_keeping import ModelKeeping
from .outcomes import Planned
from .plans import Plans
from .records import Entry, Uploads, newer_entries
from .registry import Models


class Ledger:
    """Jobs and models of one test; clients that share it see the same. Threads may share it.

    Attributes:
        plans: what the test says of jobs to come.
        models: the registry.
        later: what `celery.result.AsyncResult(id).get()` would give of `infer_later`, by id.
        store_url: a folder for artifacts, which goes with `close`.
    """

    def __init__(self) -> None:
        self.plans = Plans()
        self.models = Models()
        # Of requests, as a client's.
        self.client, self.request_numbers = uuid.uuid4().hex, itertools.count()
        self.later: dict[str, object] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="stoker-testing-")
        self.store_url = self._folder.name
        self._jobs = Jobs(self.plans, self.models, Store(self.store_url))
        self._uploads = Uploads()
        self._interrupts: dict[str, tuple[int, int]] = {}
        self._changed = threading.Condition(threading.RLock())
        self._listeners: list[Callable[[], object]] = []
        keeping = ModelKeeping(self.models)
        by_name: dict[str, Callable[..., Any]] = {
            "submit": self._jobs.submit,
            "stage": self._jobs.stage,
            "accept": lambda *words: [b"moved"] if self.models.moved(words[-1]) else [],
            "take_in": self._jobs.take_in,
            "cancel": self._jobs.cancel,
            "pause": self._jobs.pause,
            "resume": self._jobs.resume,
            "pauses": self._jobs.set_paused,
            "paused": self._jobs.paused,
            "query": self._jobs.query,
            "foresee": lambda device, *_: self._jobs.foreseen(device),
            # Where no worker is known, nothing is refused for what workers lack.
            "workers": lambda _: [],
            "feedback": lambda _, *words: [b"unwatched" for _ in words[::2]],
            "keep_upload": self._uploads.keep,
            "use_upload": self._uploads.use,
            "list_uploads": self._uploads.listed,
            "forget_upload": self._uploads.forget,
            "alias_model": keeping.alias,
            "rollback_model": keeping.roll_back,
            "note_model": keeping.note,
            "remove_versions": keeping.remove,
            "rename_model": keeping.rename,
            # Nothing is noted here.
            "audit_note": lambda _: 1,
        }
        # By the script, which is what a call of it has; the names of scripts are the ledger's own.
        self._scripts: dict[Script | None, Callable[..., Any]] = {
            registry.resolve_all([]).script: self.models.resolved,
            registry.catalogue().script: self.models.all,
            ends.ended([]).script: self._jobs.ended,
            waiting.interrupt("").script: self._interrupt,
            **{script(name): answer for name, answer in by_name.items()},
        }
        self._commands: dict[str, Callable[..., Any]] = {
            "HMGET": self._hmget,
            "HGET": lambda name, field: self._hmget(name, field)[0],
            "XREAD": self._xread,
            "XRANGE": self.models.alarms_since,
            "XREVRANGE": self.models.newest_alarms,
            "GET": self._get,
            # What is in its store is all there ever was.
            "EXISTS": lambda *_: 0,
            # No requests are sampled here.
            "HGETALL": lambda *_: {},
            "LRANGE": lambda name, _, last: keeping.changes(name.removeprefix(key("moves", "")), last + 1),
            # What is forgotten of models that could not be loaded; here all can.
            "HDEL": lambda *_: 0,
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
        raise not_played("this")

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
            record = self._jobs.running(job_id)
            self._jobs.send_all(record, events)
            self._tell()

    def finish(self, job_id: str, planned: Planned) -> None:
        """End a job that runs."""
        with self._changed:
            record = self._jobs.running(job_id)
            self._jobs.send_all(record, planned.events or ())
            self._jobs.end(record, job_id, read_spec(record.fields[b"spec"]), planned)
            self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        for changed in list(self._listeners):
            changed()

    def _interrupt(self, client: str) -> None:
        self._interrupts[key("interrupts", client)] = self._jobs.ids.next()

    def _get(self, name: str) -> Any:
        prefix = key("idempotency", "")
        return self._jobs.submitted(name.removeprefix(prefix)) if name.startswith(prefix) else self._jobs.last_sequence

    def _hmget(self, name: str, *fields: str) -> list[bytes | None]:
        return self._jobs.values(name.removeprefix(key("job", "")), fields)

    def _xread(self, *words: Any) -> list[Any] | None:
        return newer_entries(words, self._stream)

    def _stream(self, name: str) -> list[Entry]:
        if name in self._interrupts:
            return [(self._interrupts[name], b"")]
        return self._jobs.events(name.removeprefix(key("events", "")))


def not_played(what: str) -> StokerError:
    """The error of what is not played here."""
    return StokerError(
        f"stoker.testing does not play {what}: it plays jobs and their events, pauses, uploads, models and "
        "predictions. Replace the call in this test, or run it with a server and a worker, as `stoker up` starts them"
    )
