"""What a job has printed and logged, in all its attempts."""

from dataclasses import dataclass

from ..errors import StokerError
from ..events import Event, Log, Started
from ..ledger import logs
from ..ledger.logs import KeptLog
from ..models.encryption import StorePlace
from ..models.store import Store
from ..redis.calls import Steps

DROPPED = "… what the job printed first is dropped: of its events the newest 10,000 are kept"


@dataclass(frozen=True)
class Printed:
    """What a job has printed so far.

    Attributes:
        lines: the oldest first.
        last: the id of the event up to which this is; None for none.
    """

    lines: list[str]
    last: str | None


class LogFile:
    """The file of a job's log.

    Args:
        kept: names it; None if there is none.

    Attributes:
        lines: what is in it, with a line in its place if it cannot be read.
        attempt: the attempt up to which it has everything.
    """

    def __init__(self, kept: KeptLog | None, place: StorePlace) -> None:
        self.lines: list[str] = []
        self.attempt = 0
        if kept is None:
            return
        try:
            self.lines = text_lines(Store(place).read(kept.artifact))
            self.attempt = kept.attempt
        except StokerError as error:
            self.lines = [f"… the file of what the job printed cannot be read, here is what its events have: {error}"]


def printed(job_id: str, file: LogFile) -> Steps[Printed]:
    """The lines of a job's log file, and those of later attempts among its events.

    Raises:
        JobNotFound: no job has this id.
    """
    logged: logs.LoggedLines = yield from logs.logged(job_id)
    is_cut = logged.lacks is not None and logged.lacks > file.attempt
    return Printed([*file.lines, *([DROPPED] if is_cut else []), *logged.after(file.attempt)], logged.last)


def lines_of(event: Event) -> list[str]:
    """The lines that an event adds to those of its job."""
    match event:
        case Started():
            return logs.beginning(event.attempt)
        case Log():
            return event.line.split("\n")
    return []


def text_lines(text: bytes) -> list[str]:
    """The lines of a log file, without their ends."""
    return text.decode(errors="replace").removesuffix("\n").split("\n") if text else []
