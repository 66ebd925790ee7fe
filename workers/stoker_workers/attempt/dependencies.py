"""What the jobs of a worker depend on: what of it is away, and whether it is back.

A slot that meets an outage notes it where the worker's parent and all other slots see it. From then on the worker takes
no jobs, which would only meet it too; predictions with models that are loaded go on. The parent looks every few seconds
whether there is room, in threads of its own, and while something is away, whether all is well again, in a process of
its own: a file system that is away may never answer. So no slot asks one before it claims a job.
"""

import logging
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection as Pipe
from multiprocessing.sharedctypes import RawArray, RawValue
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile, gettempdir
from threading import Thread

from pydantic import TypeAdapter

from stoker.errors import StokerError
from stoker.models.store import Store
from stoker.outages import (
    Dependency,
    DependencyUnavailable,
    OngoingOutage,
    Outage,
    lacks_room,
    needing,
    temporary_folder,
)
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .process import ForkedProcess

_log = logging.getLogger(__name__)

_WATCHED = (Dependency.STORE, Dependency.DISK, Dependency.RESULTS)
_NEEDED_BY_ALL = (Dependency.STORE, Dependency.DISK)
_LONGEST_REASON_BYTES = 500
# Between two looks whether something is back.
_LOOK_EVERY_S = 2.0
# A file system that does not answer for so long is away, too.
_SILENT_S = 30.0
_OUTAGES: TypeAdapter[tuple[Outage, ...]] = TypeAdapter(tuple[Outage, ...])


class Dependencies:
    """What is away, shared by a worker's parent and its slots. Made before the pool forks."""

    def __init__(self) -> None:
        # Plain shared memory, without a lock that a killed child could hold for ever.
        self._since = {of: RawValue("d", 0.0) for of in _WATCHED}
        self._reasons = {of: RawArray("c", _LONGEST_REASON_BYTES + 1) for of in _WATCHED}

    def met(self, outage: Outage) -> None:
        """Note an outage, unless it concerns one job alone, as that of a data host does."""
        for of in _WATCHED:
            if of == outage.of:
                self._reasons[of].value = outage.reason.encode()[:_LONGEST_REASON_BYTES]
                if not self._since[of].value:
                    _log.warning("away: %s", outage.reason)
                    self._since[of].value = time.time()

    def is_back(self, of: str) -> None:
        """Note that something is available again."""
        for watched in _WATCHED:
            if watched == of and self._since[watched].value:
                _log.warning("back: the %s, after %.0f s", of, time.time() - self._since[watched].value)
                self._since[watched].value = 0.0

    def ongoing(self) -> tuple[OngoingOutage, ...]:
        """What is away now."""
        return tuple(
            OngoingOutage(
                of=of,
                reason=self._reasons[of].value.decode(errors="replace"),
                since=datetime.fromtimestamp(self._since[of].value, UTC),
            )
            for of in _WATCHED
            if self._since[of].value
        )

    def missing(self) -> Outage | None:
        """What is away without which no job can run, as far as it is known."""
        return next((outage for outage in self.ongoing() if outage.of in _NEEDED_BY_ALL), None)


class _RoomWatch:
    """Looks whether a local folder has room, in threads: a look costs microseconds, or never ends.

    Such a thread holds nothing that a fork could copy, and keeps no process from ending.
    """

    def __init__(self, of: Dependency, what: str, folder: str | Path, least_free_bytes: int) -> None:
        self._away = Outage(of=of, reason=f"{what} does not answer")
        self._look = partial(lacks_room, of, what, folder, least_free_bytes)
        self._answers: SimpleQueue[Outage | None] = SimpleQueue()
        self._since: float | None = None

    def step(self) -> Outage | None:
        """Take the result of the last look, if there is one, and start another; gives what is away."""
        now = time.monotonic()
        if self._since is not None:
            try:
                outage = self._answers.get_nowait()
            except Empty:
                return self._away if now - self._since > _SILENT_S else None
        else:
            outage = None
        self._since = now
        Thread(target=lambda: self._answers.put(self._look()), daemon=True).start()
        return outage


class DependencyWatch:
    """The parent's look what is away and what is back, one step at a time, so that nothing waits for it."""

    def __init__(self, dependencies: Dependencies, settings: Settings) -> None:
        self._dependencies = dependencies
        self._settings = settings
        least, store = settings.least_free_bytes, Store(settings.store_place).folder
        self._rooms = [_RoomWatch(Dependency.DISK, temporary_folder(), gettempdir(), least)]
        if store:
            self._rooms.append(_RoomWatch(Dependency.STORE, f"the store {store}", store, least))
        self._looking: ForkedProcess | None = None
        self._since = 0.0

    def step(self) -> None:
        """Look for room, and if something is away, start a look at all, or take its result."""
        for room in self._rooms:
            if outage := room.step():
                self._dependencies.met(outage)
        now = time.monotonic()
        if self._looking is None:
            if self._dependencies.ongoing() and now - self._since > _LOOK_EVERY_S:
                self._since = now
                self._looking = self._fork()
        elif self._looking.pipe.poll():
            self._take(self._looking)
            self._looking, self._since = None, now
        elif now - self._since > _SILENT_S:
            # It cannot even be killed while its file system is away; it stays what is waited for.
            self._since = now
            _log.warning("what was away does not answer")

    def end(self) -> None:
        """End a look under way."""
        if self._looking:
            self._looking.abandon()

    def _fork(self) -> ForkedProcess | None:
        try:
            return ForkedProcess(_look, self._settings)
        except DependencyUnavailable as error:
            self._dependencies.met(error.outage)
        except OSError as error:
            # The next look may have the process or the files that this one lacked.
            _log.warning("whether what is away is back was not looked at: %s", error)
        return None

    def _take(self, looking: ForkedProcess) -> None:
        with closing(looking):
            try:
                away = _OUTAGES.validate_json(looking.pipe.recv_bytes())
            except (EOFError, OSError):
                _log.warning("whether what is away is back is not known: the process that looked ended")
                return
        for outage in self._dependencies.ongoing():
            if all(other.of != outage.of for other in away):
                self._dependencies.is_back(outage.of)
        for met in away:
            self._dependencies.met(met)


def _look(pipe: Pipe, settings: Settings) -> None:
    """Use everything once, and send what is away."""
    away = [outage for look in (_store, _disk, _results) if (outage := look(settings))]
    pipe.send_bytes(_OUTAGES.dump_json(tuple(away)))


def _store(settings: Settings) -> Outage | None:
    try:
        store = Store(settings.store_place)
        if store.folder and not store.folder.exists():
            return Outage(
                of=Dependency.STORE, reason=f"the store's folder {store.folder} is gone: mount it, or make it"
            )
        store.probe()
    except StokerError as error:
        return Outage(of=Dependency.STORE, reason=error.message)
    if not store.folder:
        return None
    return lacks_room(Dependency.STORE, f"the store {store.folder}", store.folder, settings.least_free_bytes)


def _disk(settings: Settings) -> Outage | None:
    try:
        with needing(Dependency.DISK, temporary_folder()), TemporaryFile() as file:
            file.write(b"probe")
    except StokerError as error:
        return Outage(of=Dependency.DISK, reason=error.message)
    return lacks_room(Dependency.DISK, temporary_folder(), gettempdir(), settings.least_free_bytes)


def _results(settings: Settings) -> Outage | None:
    if not settings.result_url:
        return None
    with closing(Connection.open(settings, settings.result_url)) as connection:
        try:
            connection.run(Call(("PING",), bool))
        except StokerError as error:
            return Outage(of=Dependency.RESULTS, reason=f"the results' {error.message}")
    return None
