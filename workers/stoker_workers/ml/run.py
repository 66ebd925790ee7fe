"""What an execution may touch of the world around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Literal

from stoker.errors import InvalidJob
from stoker.events import Event, Log
from stoker.fleet.topology import WorkDevice
from stoker.kinds import Result, Spec
from stoker.kinds.child import ChildJob
from stoker.kinds.tuning.halving import Halving
from stoker.models.access import Access
from stoker.models.effects import Effect
from stoker.models.guard import Guard
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.store import Store
from stoker.models.targets import Targets
from stoker.outages import Outage

StopRequest = Literal["cancel", "drain"]
StopReason = StopRequest | Literal["done"]


# They are read with the record, at each of its steps.
_MOST_KEPT = 65_536
_LONGEST_WAIT_S = 10 * 366 * 86_400


class Stopped(Exception):
    """The execution was asked to stop and did.

    Attributes:
        reason: "cancel" throws the work away; "drain" has left a checkpoint for the next worker; "done" is what a
            member of a gang ends with, whose leader has the outcome.
    """

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason: StopReason = reason


class Children(Exception):
    """The execution ends by asking for other jobs. When all have succeeded, another one gathers their results.

    A job asks in one way, at each of its attempts.

    Attributes:
        specs: what is asked for, in order.
        each: whether another one is to go on as soon as any of the job's children has ended, however it has; it finds
            them in `Run.asked`. It may ask again, also for none, and so waits for the next; or end, and so cancel those
            that have not.
        halving: at which epochs each of these is held against the others that were asked for, and ended if they did
            better; only with `each`.
    """

    def __init__(self, specs: Sequence[Spec], *, each: bool = False, halving: Halving | None = None) -> None:
        super().__init__(f"{len(specs)} jobs")
        if halving and not each:
            raise ValueError("a pruned child would end a job that waits for all of them: halving needs each=True")
        self.specs = tuple(specs)
        self.each = each
        self.halving = halving


class Wait(Exception):
    """The execution ends without a result: its job waits, without a slot, and another one goes on.

    It costs the job no attempt, however often and long it waits. It may be woken for nothing, or by the end of a child
    that it has asked for: so each execution looks at the world anew.

    Attributes:
        why: what it waits for, as `stoker jobs` shows it.
        seconds: after how long it goes on by itself; None for never: somebody wakes it (`ledger.waits.wake`).
        keep: what the next execution finds as `Run.kept`.

    Raises:
        ValueError: there is no reason, the time is negative or no number, or there is more to keep than 64 kB.
    """

    def __init__(self, why: str, *, seconds: float | None = None, keep: bytes = b"") -> None:
        super().__init__(why)
        if not why.strip():
            raise ValueError("a job waits without a reason: say what for, as people who look at it should read it")
        if seconds is not None and not 0 <= seconds <= _LONGEST_WAIT_S:
            raise ValueError(f"a wait of {seconds} s: give 0 to {_LONGEST_WAIT_S:,} s, or None to wait for a wake")
        if len(keep) > _MOST_KEPT:
            raise ValueError(
                f"{len(keep):,} bytes are to be kept over a wait, and may be {_MOST_KEPT:,}: keep a digest"
            )
        self.why = why
        self.seconds = seconds
        self.keep = keep


class Lacking(InvalidJob):
    """The execution needs words that its worker does not offer: another worker may.

    Attributes:
        words: see `stoker.kinds.needs`.
    """

    def __init__(self, message: str, words: tuple[str, ...]) -> None:
        super().__init__(message)
        self.words = words


def _nobody_listens(_message: object) -> None:
    """Where what a run sends goes until a slot follows it."""


def _nobody_samples(_batch: bytes) -> None:
    """Where samples go until a slot follows it."""


def _nobody_saves() -> None:
    """Where a run says that it could make do with less memory, until a slot follows it."""


def _nobody_asks() -> None:
    """Why a run should end that no slot follows."""


@dataclass(frozen=True)
class Draw:
    """What is to be drawn.

    Attributes:
        share: of the rows, 0 to 1.
        off: columns of which nothing is kept.
        most: rows.
    """

    share: float
    off: tuple[str, ...]
    most: int


@dataclass(frozen=True)
class Sampled:
    """What a job that samples a model's requests finds: see `ledger.sampling.Window`."""

    batches: tuple[bytes, ...] = ()
    waiting: int = 0
    kept: int = 0
    dropped: int = 0
    labels: int = 0
    outcomes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution of one job, seen from the inside: it knows no Redis, no Celery, no ledger.

    Attributes:
        job: the job's id.
        store: where artifacts go.
        device: what it is to compute on.
        builders: targets that a `Builder` architecture may name.
        objectives: the author's functions that may be a loss or a metric.
        custom_objects: modules whose Keras classes models may have.
        functions: those that may be jobs, "package.module:function" or "package.module:*" each.
        access: what may be read as data.
        targets: where exports may be written.
        models: the registered versions that the job names, in order.
        beside: the version that the first of them is held against; None for none.
        checkpoints: what earlier attempts left, the newest last.
        left_out: why others of these are not to be gone on from.
        gang: where the processes are that train together; none for an execution by one process.
        place: which of them this one is; the first leads.
        children: what the jobs gave that an earlier attempt has asked for, in order.
        asked: all jobs that earlier attempts have asked for with `each`, in order.
        kept: what the execution has kept that was the last to `Wait`; nothing for the first.
        sampled: what has been sampled of the requests to its first model; None for a kind that samples none.
        children_s: for how many seconds children have been waited for.
        slots: how many slots there are that could share the work.
        part_s: seconds of work that make a part worth a job of its own.
        guard: what rows for its first model, and its answers, must be; None where it has no guard.
        memory_plan: by which of its kind's memory plans it runs; 0 for none, 1 for the first.
        scratch: an empty folder of its own, deleted afterwards; that of all where the kind is brief.
        emit: sends an event on its way; returns at once.
        blocked: says what the execution waits for because it is away, or that it goes on (None).
        draw: what is to be sampled of what it predicts; None where nobody wants that.
        drew: sends samples of it on their way.
        plan_helps: says that from here on the execution would need less memory by the next memory plan.
        stop_requested: None, or why the execution should end; cheap enough to ask at every step.
    """

    job: str
    store: Store
    builders: tuple[str, ...]
    access: Access
    models: tuple[ModelVersion, ...]
    checkpoints: tuple[Artifact, ...]
    beside: ModelVersion | None = None
    left_out: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    custom_objects: tuple[str, ...] = ()
    targets: Targets = field(default_factory=lambda: Targets((), ""))
    device: WorkDevice = "cpu"
    gang: tuple[str, ...] = ()
    place: int = 0
    children: tuple[Result, ...] = ()
    asked: tuple[ChildJob, ...] = ()
    kept: bytes = b""
    sampled: Sampled | None = None
    children_s: float = 0.0
    slots: int = 1
    part_s: float = 0.0
    guard: Guard | None = None
    memory_plan: int = 0
    scratch: Path = field(default_factory=lambda: Path(gettempdir()))
    emit: Callable[[Event], None] = _nobody_listens
    blocked: Callable[[Outage | None], None] = _nobody_listens
    draw: Draw | None = None
    drew: Callable[[bytes], None] = _nobody_samples
    plan_helps: Callable[[], None] = _nobody_saves
    stop_requested: Callable[[], StopRequest | None] = _nobody_asks

    def say(self, *lines: str, level: Literal["info", "warning"] = "info") -> None:
        """Put lines into the job's log."""
        for line in lines:
            self.emit(Log(line=line, level=level))

    @property
    def silent(self) -> "Run":
        """The same without lines in the job's log."""
        return replace(self, emit=lambda event: None if isinstance(event, Log) else self.emit(event))


@dataclass(frozen=True)
class Outcome:
    """What an execution gives back to be committed.

    Attributes:
        result: the job's result; it names a model that is to be registered without a version, which the commit assigns.
        effects: what else the job changes, in one step with its success.
    """

    result: Result
    effects: tuple[Effect, ...] = ()
