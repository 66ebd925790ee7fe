"""What an attempt prints: collected in a file without a name, and kept in the store when the attempt ends."""

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import wait
from contextlib import suppress
from typing import IO

from stoker.errors import StokerError
from stoker.events import Log
from stoker.ledger import logs
from stoker.ledger.attempt import Attempt
from stoker.ledger.logs import KeptLog, LoggedLines
from stoker.ledger.replies import ReportReply
from stoker.models.store import Store
from stoker.redis.calls import drive

from .reports import Reports
from .slot import Slot

# The first and the last bytes of a longer log are kept: how it began, and how it ended.
HALF_BYTES = 5_000_000
_NAME = "log.txt"
# How long the end of a job waits for the store to take its log, and how often its lease is renewed meanwhile.
_LONGEST_S = 10.0
_TICK_S = 0.5


class Printed:
    """The lines of one attempt; of many, the first and the last. Its file is there once there is a line.

    The file goes with the process, however that ends. It is of a fixed size: what is behind the first half is
    overwritten again and again.

    Attributes:
        size: bytes of all the lines.
    """

    def __init__(self) -> None:
        self.size = 0
        self._file: IO[bytes] | None = None
        self._failure: OSError | None = None

    def add(self, line: str) -> None:
        """Write a line down. Where that fails, `read` does: the job goes on."""
        try:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
            self._write(self._file, f"{line}\n".encode(errors="replace"))
        except OSError as error:
            self._failure = self._failure or error

    def _write(self, file: IO[bytes], data: bytes) -> None:
        while data:
            room = HALF_BYTES - self.size % HALF_BYTES
            if room == HALF_BYTES and self.size:
                file.seek(HALF_BYTES)
            file.write(data[:room])
            self.size += len(data[:room])
            data = data[room:]

    def read(self) -> tuple[bytes, bytes]:
        """The first lines and the last ones; between them, some may be left out.

        Raises:
            OSError: a line could not be written, or read.
        """
        if self._failure:
            raise self._failure
        if not self._file:
            return b"", b""
        self._file.seek(0)
        data = self._file.read()
        if self.size <= 2 * HALF_BYTES:
            return data, b""
        oldest = HALF_BYTES + self.size % HALF_BYTES
        return _whole_lines(data[:HALF_BYTES], data[oldest:] + data[HALF_BYTES:oldest])

    def close(self) -> None:
        """Remove the file."""
        if self._file:
            # What could not be written cannot be now.
            with suppress(OSError):
                self._file.close()

    @property
    def is_empty(self) -> bool:
        """Whether the attempt has printed nothing."""
        return not (self.size or self._failure)


def keep(slot: Slot, attempt: Attempt, printed: Printed, reports: Reports) -> None:
    """Put what the job has printed into the store. Where that fails, an event says so: the end does not depend on it.

    Raises:
        Unavailable: Redis is away, and the worker has to end.
    """
    try:
        log = _put_in_time(slot, attempt, printed, reports)
    except (OSError, StokerError) as error:
        why = f"what the job has printed is not kept as a file, its events have the newest 10,000 lines: {error}"
        reports.add(Log(line=why, level="warning"))
        reports.send_all()
        return
    if log:
        slot.insist(logs.keep(attempt, log))


def _put_in_time(slot: Slot, attempt: Attempt, printed: Printed, reports: Reports) -> KeptLog | None:
    """Put it while the lease is renewed; None if it is lost.

    Raises:
        OSError: what was printed could not be written down on this machine, or the store takes too long.
        StokerError: the store or Redis is away.
    """
    before, logged = None, LoggedLines()
    if attempt.number > 1:
        before = slot.insist(logs.kept(attempt.job_id))
        logged = drive(logs.logged(attempt.job_id), slot.insist)
    work = slot.thread.submit(put, slot.store, attempt.number, printed, before, logged)
    until = time.monotonic() + _LONGEST_S
    while not wait([work], _TICK_S).done:
        reports.send()
        is_lost = reports.answer is ReportReply.LOST
        if is_lost or slot.hurrying or time.monotonic() > until:
            slot.forget_thread()
            if is_lost:
                return None
            raise TimeoutError(f"the store has not taken it within {_LONGEST_S:g} s")
    return work.result()


def put(store: Store, number: int, printed: Printed, before: KeptLog | None, logged: LoggedLines) -> KeptLog:
    """Put into the store what a job has printed up to an attempt.

    Args:
        number: the attempt's.
        before: the file of earlier attempts.
        logged: the job's events: of attempts before this one whose worker could put nothing there.

    Raises:
        OSError: what was printed could not be written down on this machine.
        StokerError: the store is away.
    """
    earlier, through, left_out = b"", 0, 0
    if before:
        # A file that is gone is no reason to lose the rest.
        with suppress(StokerError):
            earlier, through, left_out = store.read(before.artifact), before.attempt, before.left_out
    own, last = printed.read()
    between = [line for attempt, line in logged.lines if through < attempt < number]
    first = earlier + _text([*between, *logs.beginning(number)]) + own
    whole = left_out + len(first) + printed.size - len(own)
    if last:
        first, _ = _whole_lines(first[:HALF_BYTES], b"")
    elif len(first) > 2 * HALF_BYTES:
        first, last = _whole_lines(first[:HALF_BYTES], first[-HALF_BYTES:])
    left_out = whole - len(first) - len(last)
    text = first + _gap(left_out) + last if last else first
    return KeptLog(attempt=number, artifact=store.put_bytes(text, _NAME), left_out=left_out)


def _whole_lines(first: bytes, last: bytes) -> tuple[bytes, bytes]:
    return first[: first.rfind(b"\n") + 1], last[last.find(b"\n") + 1 :]


def _gap(left_out: int) -> bytes:
    return (
        f"… {left_out:,} bytes are left out here: the first and the last {HALF_BYTES:,} of a job's log are kept …\n"
    ).encode()


def _text(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode(errors="replace")
