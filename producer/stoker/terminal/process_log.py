"""The log of each of Stoker's processes: text for people or JSON for programs, on stderr or in a file that rotates.

Text is one line a record without control characters, and a traceback's lines behind it. JSON is one object a line, in
ASCII:

| key | what |
| --- | --- |
| time | RFC 3339, UTC, by this machine's clock |
| level | debug, info, warning, error or critical |
| logger | the part of the program that says it |
| message | one text |
| process, pid | such as worker and 4711 |
| job, attempt, worker, tenant | what it is about, where that is known |
| exception | a traceback |
"""

import copy
import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Literal

from .printable import printable

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

_TEXT = "[%(asctime)s: %(levelname)s] %(message)s"
# How a message begins that is about a job, whose id is its first argument.
_OF_JOB = "job %s"
_KEPT = 5
"""How many older files are kept beside the newest."""

_about: ContextVar[dict[str, str | int]] = ContextVar("about", default={})  # noqa: B039  # it is replaced, never changed


@dataclass(frozen=True)
class ProcessLog:
    """How a process logs.

    Attributes:
        process: its name: node, worker, controller, gateway, flower or up.
        level: what is less urgent is left out.
        form: text or JSON.
        file: where it goes; None for stderr. Several processes may write to one.
        file_bytes: a file that has grown to that gets a number, and another one is begun.
        worker: the worker's name, if it is one.
    """

    process: str
    level: Level = "info"
    form: Format = "text"
    file: Path | None = None
    file_bytes: int = 1 << 26
    worker: str | None = None

    def begin(self) -> None:
        """Have this process log so."""
        logging.basicConfig(format=_TEXT, level=self.level.upper(), force=True)
        self.lead(logging.getLogger())

    def lead(self, logger: logging.Logger) -> None:
        """Have what somebody else has set up for a logger go the same way; text keeps its form."""
        for handler in list(logger.handlers):
            formatter = handler.formatter or logging.Formatter()
            led = handler
            if self.file:
                led = RotatingLines(self.file, self.file_bytes)
                logger.removeHandler(handler)
                logger.addHandler(led)
                # Celery's; a file has no colours.
                if hasattr(formatter, "use_color"):
                    formatter.use_color = False
            led.setFormatter(JsonLine(self.process, self.worker) if self.form == "json" else OneLine(formatter))


def speaks_json() -> bool:
    """Whether this process logs JSON."""
    return any(isinstance(handler.formatter, JsonLine) for handler in logging.getLogger().handlers)


@contextmanager
def about(**fields: str | int | None) -> Iterator[None]:
    """Say what the records are about that this thread makes within the block: job, attempt, worker or tenant."""
    token = _about.set(_about.get() | {name: value for name, value in fields.items() if value is not None})
    try:
        yield
    finally:
        _about.reset(token)


class OneLine(logging.Formatter):
    """Makes a record's message printable, then formats it by another formatter; tracebacks keep their lines."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        message = record.getMessage()
        if message.isprintable() and not record.exc_info:
            return self._inner.format(record)
        shown = copy.copy(record)
        shown.msg, shown.args = printable(message), None
        if record.exc_info:
            traceback = self._inner.formatException(record.exc_info)
            shown.exc_text = "\n".join(map(printable, traceback.splitlines()))
        return self._inner.format(shown)


class JsonLine(logging.Formatter):
    """Formats a record as one line of JSON, in ASCII."""

    def __init__(self, process: str, worker: str | None) -> None:
        super().__init__()
        self._process = process
        self._fields = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": self._process,
            "pid": record.process,
            **self._fields,
            **_about.get(),
            **_of_job(record),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        # The one character of ASCII that steers and that JSON leaves as it is.
        return json.dumps(fields).replace("\x7f", "\\u007f")


def _of_job(record: logging.LogRecord) -> dict[str, str]:
    """The job that a record is about, by its own words or by Celery's."""
    match record.args:
        case tuple((first, *_)) if isinstance(record.msg, str) and record.msg.startswith(_OF_JOB):
            return {"job": str(first)}
        case {"id": job_id} if record.name.startswith("celery."):
            return {"job": str(job_id)}
    return {}


class RotatingLines(WatchedFileHandler):
    """A file of lines that several processes write to, and that is renamed when it has grown.

    One of them renames it, under a lock; the others notice at their next line, as they do if logrotate does it.

    Args:
        most_bytes: about how long it may be.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._most_bytes = most_bytes
        super().__init__(path, encoding="utf-8", errors="backslashreplace")

    def _open(self) -> TextIOWrapper:
        """Open it; a new one is for its user, who may show it to the group."""

        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o640)

        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=private)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        # What is wrong with the disk is no reason to end the process; what cannot be opened raises here, too.
        try:
            self.reopenIfNeeded()
            if self.stream and os.fstat(self.stream.fileno()).st_size >= self._most_bytes:
                self._rotate(record)
            super().emit(record)
        except OSError:
            self.handleError(record)

    def _rotate(self, record: logging.LogRecord) -> None:
        path = Path(self.baseFilename)
        # Where it may write to the file, but not rename it, the file grows.
        try:
            with path.with_name(f".{path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # Another may have been first.
                if path.exists() and path.stat().st_size >= self._most_bytes:
                    rotate(path)
        except OSError:
            self.handleError(record)
        self.reopenIfNeeded()


def rotate(path: Path) -> None:
    """Give a log, if there is one, the number 1, each older one the next, and drop the oldest."""
    if not path.exists():
        return
    for number in range(_KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if newer.exists():
            newer.replace(older)
