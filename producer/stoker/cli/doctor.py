"""`stoker doctor`: is everything there that jobs need, and what to do about what is not."""

import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel, Field
from rich.markup import escape

from .. import ledger
from ..address import masked, sentinels_of
from ..connection import Call, Connection
from ..errors import StokerError, Unauthorized, Unavailable
from ..events import JobState
from ..ledger import Health
from ..ledger.keys import key
from ..local import redis_url_of
from ..settings import Settings
from ..store import Store
from .output import AsJson, console, print_json, size_text

# kombu and the scripts need commands that came with it.
_OLDEST_REDIS = (6, 2)
_NEARLY_FULL = 0.8
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


class Check(BaseModel):
    """One thing looked at.

    Attributes:
        told: what was found and, unless it is well, what to do.
        numbers: what was counted, by name.
    """

    name: str
    verdict: Verdict
    told: str
    numbers: dict[str, int] = Field(default_factory=dict)


class Report(BaseModel):
    """All checks, and the worst verdict among them."""

    verdict: Verdict
    checks: list[Check]


def doctor(as_json: AsJson = False) -> None:
    """Check Redis, the controller, the workers, the queues and the store, and say what to do about what is wrong.

    Exit status: 0 all is well or only warned of, 1 a check failed, 3 Redis is out of reach.
    """
    settings, status = Settings(), 0
    checks = [_store(settings)]
    try:
        checks += _redis_checks(settings)
    except (Unavailable, Unauthorized) as error:
        checks.append(_fail("redis", error.message))
        status = 3
    worst = max((check.verdict for check in checks), key=list(Verdict).index)
    if as_json:
        print_json(Report(verdict=worst, checks=checks))
    else:
        for check in checks:
            label = f"[{_STYLES[check.verdict]}]{check.verdict:<4}[/]"
            console().print(f"{label}  [bold]{check.name:<10}[/]  {escape(check.told)}", soft_wrap=True)
    raise typer.Exit(status or int(worst is Verdict.FAIL))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Running Stoker")(doctor)


def _redis_checks(settings: Settings) -> list[Check]:
    url = redis_url_of(settings)
    with closing(Connection.open(settings, url)) as connection:
        info = connection.run(Call(("INFO",), _Info.model_validate))
        health = connection.run(ledger.health())
        devices: Counter[str] = Counter(worker.device for worker in connection.run(ledger.workers()))
        return [
            _server(info, url),
            _access(url),
            _durability(info),
            _memory(info),
            _eviction(info),
            _controller(health),
            _workers(devices),
            _queues(health, devices),
            _leases(health),
            _dead(connection),
            _quarantine(connection),
        ]


class _Info(BaseModel):
    """What the server says of itself."""

    redis_version: str
    valkey_version: str = ""
    aof_enabled: bool
    aof_last_write_status: str = "ok"
    used_memory: int
    maxmemory: int
    maxmemory_policy: str


def _server(info: _Info, url: str) -> Check:
    version = f"Valkey {info.valkey_version}" if info.valkey_version else f"Redis {info.redis_version}"
    if tuple(map(int, info.redis_version.split(".")[:2])) < _OLDEST_REDIS:
        return _fail("redis", f"{version} at {masked(url)} is too old: use Redis 6.2 or newer, or Valkey")
    return _ok("redis", f"{version} at {masked(url)} answers")


def _access(url: str) -> Check:
    if sentinels := sentinels_of(url):
        hosts, has_password = {host for host, _ in sentinels.hosts}, "password" in sentinels.login
    else:
        parts = urlsplit(url)
        hosts, has_password = {parts.hostname or ""}, bool(parts.password) or "password=" in parts.query
    if not has_password:
        return _warn(
            "access", "Redis asks for no password: whoever reaches it can write jobs; set one, and put it in the URL"
        )
    if not url.startswith("rediss://") and not hosts <= _THIS_MACHINE:
        return _warn("access", "the way to Redis is not encrypted: turn on TLS and use a rediss:// URL")
    return _ok("access", "password, and " + ("TLS" if url.startswith("rediss://") else "on this machine"))


def _durability(info: _Info) -> Check:
    if not info.aof_enabled:
        return _fail("durability", "the append-only file is off: a crash of Redis loses jobs; set `appendonly yes`")
    if info.aof_last_write_status != "ok":
        return _fail("durability", "Redis cannot write its append-only file: free its disk, see its log")
    return _ok("durability", "every write goes to the append-only file")


def _memory(info: _Info) -> Check:
    numbers = {"used_bytes": info.used_memory, "max_bytes": info.maxmemory}
    used = size_text(info.used_memory)
    if not info.maxmemory:
        return _ok("memory", f"{used} used, no limit", numbers)
    told = f"{used} of {size_text(info.maxmemory)} used"
    if info.used_memory > _NEARLY_FULL * info.maxmemory:
        return _warn(
            "memory", f"{told}: raise maxmemory or lower STOKER_KEEP_FINISHED; a full Redis takes no jobs", numbers
        )
    return _ok("memory", told, numbers)


def _eviction(info: _Info) -> Check:
    if info.maxmemory_policy == "noeviction":
        return _ok("eviction", "a full Redis refuses writes and forgets nothing")
    told = f"maxmemory-policy is {info.maxmemory_policy}: a full Redis would forget jobs; set it to noeviction"
    return _fail("eviction", told) if info.maxmemory else _warn("eviction", told)


def _controller(health: Health) -> Check:
    if health.leader is None:
        return _fail(
            "controller", "none leads, so that lost and waiting jobs stay where they are: run `stoker controller`"
        )
    return _ok("controller", f"{health.leader} leads")


def _workers(devices: Counter[str]) -> Check:
    if not devices:
        return _fail("workers", "none is running, so that no job is: run `stoker worker`")
    return _ok("workers", _listed(devices), dict(devices))


def _queues(health: Health, devices: Counter[str]) -> Check:
    numbers = {queue.queue: max(queue.messages, queue.jobs) for queue in health.queues}
    waiting = {queue: count for queue, count in numbers.items() if count}
    blocked = [name for queue in health.queues for name in queue.blocked_by]
    unserved = sorted({queue.partition(".")[0] for queue in waiting} - set(devices))
    if blocked:
        return _fail(
            "queues", f"no list lies under {', '.join(map(repr, blocked))}: a worker takes it away, or DEL it", numbers
        )
    if unserved:
        return _fail(
            "queues",
            f"{_listed(waiting)} wait, but no {' or '.join(unserved)} worker is running: "
            f"run `stoker worker --device {unserved[0]}`",
            numbers,
        )
    told = f"{_listed(waiting)} wait" if waiting else "empty"
    if over_quota := sum(queue.over_quota for queue in health.queues):
        told += f", {over_quota} of them because their tenants have as many running as they may"
    return _ok("queues", told, numbers)


def _leases(health: Health) -> Check:
    if health.overdue:
        told = f"{health.overdue} running jobs' workers went silent and nobody hands them on: see the controller's log"
        return _fail("leases", told, {"overdue": health.overdue})
    return _ok("leases", "no running job's worker is silent", {"overdue": 0})


def _dead(connection: Connection) -> Check:
    counts = connection.run(ledger.counts())
    dead = sum(count for (_, state), count in counts.items() if state is JobState.DEAD)
    if dead:
        return _warn(
            "dead jobs", f"{dead}: `stoker dead list --history` tells why, requeue or drop them", {"dead": dead}
        )
    return _ok("dead jobs", "none", {"dead": 0})


def _quarantine(connection: Connection) -> Check:
    counts = connection.run(ledger.quarantined())
    if not counts:
        return _ok("quarantine", "empty")
    told = (
        f"{sum(counts.values())} messages were no jobs: {_listed(counts)}; find who writes to Redis, the newest are in "
    )
    return _warn("quarantine", f"{told}{key('quarantine')}", counts)


def _store(settings: Settings) -> Check:
    where = masked(settings.store)
    try:
        store = Store(settings.store)
        written = store.put_bytes(uuid.uuid4().bytes, "doctor")
        store.read(written)
        store.delete(written)
    except StokerError as error:
        return _fail("store", error.message)
    except (ImportError, ValueError) as error:
        return _fail("store", f"{where} cannot be opened: {error}; check STOKER_STORE_URL")
    return _ok("store", f"{where} can be written and read")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _ok(name: str, told: str, numbers: Mapping[str, int] | None = None) -> Check:
    return Check(name=name, verdict=Verdict.OK, told=told, numbers=dict(numbers or {}))


def _warn(name: str, told: str, numbers: Mapping[str, int] | None = None) -> Check:
    return Check(name=name, verdict=Verdict.WARN, told=told, numbers=dict(numbers or {}))


def _fail(name: str, told: str, numbers: Mapping[str, int] | None = None) -> Check:
    return Check(name=name, verdict=Verdict.FAIL, told=told, numbers=dict(numbers or {}))
