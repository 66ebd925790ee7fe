"""What a fleet's queues hold at one moment, as the ledger's foresee.lua reads it."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..kinds.likeness import Likeness


class JobLook(BaseModel):
    """A job, as far as it matters for when others start. Times are in ms, by the server's clock.

    Attributes:
        likeness: what it has in common with others, as JSON that may have been written by anyone; None where unknown.
        slots: how many it takes at once.
        share: how much of it is done, 0 to 1, as of `share_at`; None where it does not say.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    queue: str
    priority: str
    tenant: str = ""
    likeness: str | None = None
    slots: int = 1
    submitted_at: float = 0.0
    queued_at: float = 0.0
    started_at: float = 0.0
    share: float | None = None
    share_at: float = 0.0

    @property
    def alike(self) -> Likeness | None:
        """What it has in common with others."""
        try:
            return Likeness.model_validate_json(self.likeness or "")
        except ValidationError:
            return None


class LineLook(BaseModel):
    """The jobs of a queue and priority.

    Attributes:
        window: how many may have a message at once.
        rung: those that have one, in order.
        held: the others, by tenant, each in order.
        unread: how many more there are, behind those.
    """

    model_config = ConfigDict(frozen=True)

    queue: str
    priority: str
    window: int
    rung: tuple[JobLook, ...] = ()
    held: tuple[tuple[JobLook, ...], ...] = ()
    unread: int = 0
    paused: bool = False

    @property
    def jobs(self) -> tuple[JobLook, ...]:
        """Those that were read."""
        return (*self.rung, *(job for jobs in self.held for job in jobs))


class RuleLook(BaseModel):
    """A tenant's weight, how many jobs it may have running (None: any number), and how many it has."""

    model_config = ConfigDict(frozen=True)

    weight: float = 1.0
    running: int | None = None
    runs: int = 0


class Look(BaseModel):
    """A fleet's queues at one moment.

    Attributes:
        ended: jobs of the fleet that have ended lately.
        since: all jobs that were submitted since then are queued, running or ended ones of these; None for all ever.
    """

    model_config = ConfigDict(frozen=True)

    at: float
    ageing_ms: float
    lines: tuple[LineLook, ...] = ()
    running: tuple[JobLook, ...] = ()
    ended: tuple[JobLook, ...] = ()
    since: float | None = None
    rules: dict[str, RuleLook] = Field(default_factory=dict)
    paused_tenants: tuple[str, ...] = ()

    @property
    def queued(self) -> tuple[JobLook, ...]:
        """The queued jobs that were read."""
        return tuple(job for line in self.lines for job in line.jobs)

    def moment(self, ms: float) -> datetime:
        """So many milliseconds after this look, as a time; UTC."""
        return datetime.fromtimestamp((self.at + ms) / 1000, UTC)
