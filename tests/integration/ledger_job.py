"""A job of the ledger's model."""

from dataclasses import dataclass, field

from stoker.fleet.topology import KOMBU_SEPARATOR, PRIORITIES
from stoker.kinds import Spec

FINAL = ("SUCCEEDED", "FAILED", "CANCELLED", "DEAD", "PRUNED")
# What every record has, whatever happened to it.
FIELDS = (
    *("kind", "queue", "spec", "priority", "tags", "max_attempts", "summary", "attempt", "losses", "blockers"),
    *("sequence", "submitted_at", "state", "release", "likeness"),
)


@dataclass
class ModelJob:
    """One job.

    Attributes:
        held: its `not_before` has not come yet.
        due_score: the score under which its time has come; None while it has not, or it waits for none.
        number: of its last message; None unless it is queued, and not held.
        step: of the list of that message.
        waits: whether it is held until its turn comes.
        risen: by how many priorities its time in the queue has raised it.
        fields: the names of its record's fields.
    """

    id: str
    spec: Spec
    queue: str
    sequence: int
    blockers: int
    held: bool
    state: str = ""
    attempt: int = 0
    losses: int = 0
    owner: str | None = None
    events_sent: int = 0
    due: bool = False
    due_score: int | None = None
    silent: int | None = None
    number: int | None = None
    step: int = 0
    waits: bool = False
    risen: int = 0
    committed_by: str | None = None
    checkpoints: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    history: list[tuple[int, str]] = field(default_factory=list)
    meta: str | None = None
    fields: set[str] = field(default_factory=lambda: set(FIELDS))

    @property
    def list(self) -> str:
        """The Redis list of its last message."""
        return f"{self.queue}{KOMBU_SEPARATOR}{self.step}"

    @property
    def step_now(self) -> int:
        """The step of the list that a message would be sent to now."""
        return max(PRIORITIES["high"], PRIORITIES[self.spec.priority] - 3 * self.risen)

    @property
    def tenant(self) -> str:
        """On whose behalf it runs."""
        return self.spec.tags.get("tenant", "")

    @property
    def line(self) -> str:
        """The queue and priority in which it waits for its turn."""
        return f"{self.queue}:{self.spec.priority}"

    @property
    def has_seat(self) -> bool:
        """Whether it runs or has a message."""
        return self.state == "RUNNING" or self.number is not None
