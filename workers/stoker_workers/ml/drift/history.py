"""What a Monitor knows from one attempt to the next: its reference, and what came of its windows."""

from datetime import datetime

from pydantic import Field

from stoker.models.described import Described
from stoker.models.manifest import Artifact

from .performance import Gate, Measured
from .reference import Reference
from .state import DriftState
from .windows import ColumnTest

_MOST_WINDOWS, _MOST_ALARMS = 500, 100


class WindowResult(Described):
    """A window that was tested.

    Attributes:
        number: from 1 on.
        at: when, UTC.
        model: the version.
        tests: of every column.
        measured: what labels said then; None without any.
        estimate: the accuracy that the mean probability of what it predicts promises; None for numbers.
        latency_ms: the median time that computing a batch took.
        labels: of how many of its answers, of all that were kept, the label had come by then.
        kept, dropped: rows sampled of the version by then, and those of them dropped for want of room.
    """

    number: int
    at: datetime
    model: str
    rows: int
    tests: tuple[ColumnTest, ...]
    measured: Measured | None = None
    estimate: float | None = None
    latency_ms: float | None = None
    labels: int = 0
    kept: int = 0
    dropped: int = 0


class Raised(Described):
    """An alarm, as the report lists it."""

    at: datetime
    window: int
    what: str
    text: str


class History(Described):
    """All of it.

    Attributes:
        model: the version whose reference this is.
        data: the reference, in words.
        tested, rows: how many windows there were, and rows of all of them.
        windows: the newest 500.
        alarms: the newest 100.
        is_worse: whether labels say that the model is worse than on the reference; an alarm was raised then.
        kept: the files of the windows whose rows stay, the newest last.
    """

    model: str
    data: str
    reference: Reference
    gate: Gate
    tested: int = 0
    rows: int = 0
    state: DriftState = Field(default_factory=DriftState)
    windows: tuple[WindowResult, ...] = ()
    alarms: tuple[Raised, ...] = ()
    is_worse: bool = False
    kept: tuple[Artifact, ...] = ()

    def with_window(self, window: WindowResult) -> "History":
        """With another window, the oldest left out."""
        return self.model_copy(
            update={
                "tested": window.number,
                "rows": self.rows + window.rows,
                "state": self.state.after(window.tests),
                "windows": (*self.windows, window)[-_MOST_WINDOWS:],
            }
        )

    def with_alarm(self, alarm: Raised) -> "History":
        """With another alarm, the oldest left out."""
        return self.model_copy(update={"alarms": (*self.alarms, alarm)[-_MOST_ALARMS:]})

    def of_version(self, model: str, data: str, reference: Reference, gate: Gate) -> "History":
        """The history goes on with another version; what has drifted of the last one is its own."""
        fresh = {"model": model, "data": data, "reference": reference, "gate": gate}
        return self.model_copy(update=fresh | {"state": DriftState(), "is_worse": False})
