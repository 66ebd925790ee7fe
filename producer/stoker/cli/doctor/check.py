"""The checks of `stoker doctor`: their inputs and their findings."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, Field

from ...errors import Unauthorized
from ...ledger import monitoring, presence
from ...ledger.monitoring import Health
from ...local import redis_url_of
from ...redis.calls import Call
from ...redis.connection import Connection
from ...settings import Settings


class Verdict(StrEnum):
    """The verdict of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(BaseModel):
    """The result of a check.

    Attributes:
        told: a sentence: what the check saw and, unless all is well, what to do.
        numbers: counts, by name.
    """

    verdict: Verdict
    told: str
    numbers: dict[str, int] = Field(default_factory=dict)


class Info(BaseModel):
    """The fields of Redis' INFO that checks use."""

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
    """The inputs of the checks; what several checks need is read from Redis once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def url(self) -> str:
        """The Redis that the settings name, or the local server.

        Raises:
            Unavailable: there is no such server.
        """
        return redis_url_of(self.settings)

    @cached_property
    def connection(self) -> Connection:
        """A connection to that Redis."""
        return Connection.open(self.settings, self.url)

    @cached_property
    def info(self) -> Info:
        """The server's INFO."""
        return self.connection.run(Call(("INFO",), Info.model_validate))

    @cached_property
    def health(self) -> Health:
        """The ledger's health: queues, leases, the leading controller."""
        return self.connection.run(monitoring.health())

    @cached_property
    def workers(self) -> list[presence.Worker]:
        """The live workers."""
        return self.connection.run(presence.workers())

    @cached_property
    def devices(self) -> Counter[str]:
        """The number of workers by device."""
        return Counter(worker.device for worker in self.workers)


@dataclass(frozen=True)
class Check:
    """A check of `stoker doctor`.

    Attributes:
        name: one word or two; the line's first column.
        run: makes the check; an error that it raises becomes the finding.
    """

    name: str
    run: Callable[[System], Finding]

    def finding(self, system: System) -> Finding:
        """The check's finding; never raises, so that the other checks run, too."""
        try:
            return self.run(system)
        except Unauthorized as error:
            return warn(f"may not ask: {error.message}")
        except Exception as error:  # noqa: BLE001  # whatever is broken, the other checks have to go on
            return fail(f"could not be checked: {type(error).__name__}: {error}")


def ok(message: str, numbers: Mapping[str, int] | None = None) -> Finding:
    """All is well."""
    return Finding(verdict=Verdict.OK, told=message, numbers=dict(numbers or {}))


def warn(message: str, numbers: Mapping[str, int] | None = None) -> Finding:
    """Jobs run, but somebody should look."""
    return Finding(verdict=Verdict.WARN, told=message, numbers=dict(numbers or {}))


def fail(message: str, numbers: Mapping[str, int] | None = None) -> Finding:
    """Jobs do not run, or may be lost."""
    return Finding(verdict=Verdict.FAIL, told=message, numbers=dict(numbers or {}))


def listed(counts: Mapping[str, int]) -> str:
    """Counts on one line: `2 cpu, 1 gpu`."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
