"""What a check of `stoker doctor` is, what it may use, and what it answers."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, Field

from ... import ledger
from ...errors import Unauthorized
from ...ledger import Health
from ...local import redis_url_of
from ...redis.connection import Call, Connection
from ...settings import Settings


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(BaseModel):
    """What a check answers.

    Attributes:
        told: what is so and, unless it is well, what to do.
        numbers: what was counted, by name.
    """

    verdict: Verdict
    told: str
    numbers: dict[str, int] = Field(default_factory=dict)


class Info(BaseModel):
    """What the Redis server says of itself."""

    redis_version: str
    valkey_version: str = ""
    role: str = "master"
    aof_enabled: bool
    aof_last_write_status: str = "ok"
    used_memory: int
    mem_not_counted_for_evict: int = 0
    maxmemory: int
    maxmemory_policy: str


class System:
    """What the checks look at; each answer of Redis that several of them need is asked for once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def url(self) -> str:
        """The Redis that the settings name, or the local server.

        Raises:
            Unavailable: there is neither.
        """
        return redis_url_of(self.settings)

    @cached_property
    def connection(self) -> Connection:
        """To that Redis."""
        return Connection.open(self.settings, self.url)

    @cached_property
    def info(self) -> Info:
        """The server's answer to INFO."""
        return self.connection.run(Call(("INFO",), Info.model_validate))

    @cached_property
    def health(self) -> Health:
        """Queues, leases and the controller's lead."""
        return self.connection.run(ledger.health())

    @cached_property
    def workers(self) -> list[ledger.Worker]:
        """The workers heard of lately."""
        return self.connection.run(ledger.workers())

    @cached_property
    def devices(self) -> Counter[str]:
        """The number of workers by device."""
        return Counter(worker.device for worker in self.workers)


@dataclass(frozen=True)
class Check:
    """One thing that `stoker doctor` looks at.

    Attributes:
        name: one word or two; the line's first column.
        run: looks, and answers; what it raises becomes the finding.
    """

    name: str
    run: Callable[[System], Finding]

    def finding(self, system: System) -> Finding:
        """What the check answers, or why it has no answer; never raises, so that the checks after it run too."""
        try:
            return self.run(system)
        except Unauthorized as error:
            return warn(f"may not ask: {error.message}")
        except Exception as error:  # noqa: BLE001  # a check meets whatever is broken, and the others have to go on
            return fail(f"could not be checked: {type(error).__name__}: {error}")


def ok(told: str, numbers: Mapping[str, int] | None = None) -> Finding:
    """All is well."""
    return Finding(verdict=Verdict.OK, told=told, numbers=dict(numbers or {}))


def warn(told: str, numbers: Mapping[str, int] | None = None) -> Finding:
    """Jobs run, but somebody should look."""
    return Finding(verdict=Verdict.WARN, told=told, numbers=dict(numbers or {}))


def fail(told: str, numbers: Mapping[str, int] | None = None) -> Finding:
    """Jobs do not run, or may be lost."""
    return Finding(verdict=Verdict.FAIL, told=told, numbers=dict(numbers or {}))


def listed(counts: Mapping[str, int]) -> str:
    """Counts on one line: `2 cpu, 1 gpu`."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
