"""Checks of the Redis server: its version, clock, access, durability and memory."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from ...ledger import clock
from ...terminal.amounts import duration, size_text
from ...urls import masked, sentinels_of
from .check import Check, Finding, System, fail, ok, warn
from .holes import known_holes

# kombu and the scripts need commands of this version.
_OLDEST_REDIS = (6, 2)
_NEARLY_FULL = 0.8
# What times that people read may be wrong by.
_CLOCKS_DIFFER = timedelta(seconds=10)
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def _version(system: System) -> Finding:
    info, where = system.info, masked(system.url)
    version = f"Valkey {info.valkey_version}" if info.valkey_version else f"Redis {info.redis_version}"
    if tuple(map(int, info.redis_version.split(".")[:2])) < _OLDEST_REDIS:
        return fail(f"{version} at {where} is too old: use Redis 6.2 or newer, or Valkey")
    if system.info.role != "master":
        return fail(f"{version} at {where} is a replica and takes no writes: promote it, or name the master in the URL")
    if holes := known_holes(version):
        names = ", ".join(name for hole in holes for name in hole.names)
        return warn(f"{version} at {where} answers, but has known holes ({names}): install {holes[-1].fixed} or newer")
    return ok(f"{version} at {where} answers")


def _clock(system: System) -> Finding:
    asked = datetime.now(UTC)
    server = system.connection.run(clock.now())
    answered = datetime.now(UTC)
    if server < asked - _CLOCKS_DIFFER:
        differs = f"{duration((asked - server).total_seconds())} ahead of"
    elif server > answered + _CLOCKS_DIFFER:
        differs = f"{duration((server - answered).total_seconds())} behind"
    else:
        return ok("this machine's agrees with that of Redis")
    return warn(
        f"this machine's is {differs} that of Redis, by which jobs wait, run and are kept: a `not_before` or `since` "
        "from this machine is wrong by that, and so is how long ago something was; set both, with NTP for example"
    )


def _access(system: System) -> Finding:
    url = system.url
    if sentinels := sentinels_of(url):
        hosts, has_password = {host for host, _ in sentinels.hosts}, "password" in sentinels.login
    else:
        parts = urlsplit(url)
        hosts, has_password = {parts.hostname or ""}, bool(parts.password)
    if not has_password:
        return warn("Redis asks for no password: whoever reaches it can write jobs; set one, and put it in the URL")
    if not url.startswith("rediss://") and not hosts <= _THIS_MACHINE:
        return warn("the way to Redis is not encrypted: turn on TLS and use a rediss:// URL")
    return ok("password, and " + ("TLS" if url.startswith("rediss://") else "on this machine"))


def _durability(system: System) -> Finding:
    if not system.info.aof_enabled:
        return fail("the append-only file is off: a crash of Redis loses jobs; set `appendonly yes`")
    if system.info.aof_last_write_status != "ok":
        return fail("Redis cannot write its append-only file: free its disk, see its log")
    return ok("every write goes to the append-only file")


def _memory(system: System) -> Finding:
    info = system.info
    numbers = {"used_bytes": info.used_memory, "max_bytes": info.maxmemory}
    used = size_text(info.used_memory)
    if not info.maxmemory:
        return ok(f"{used} used, no limit", numbers)
    message = f"{used} of {size_text(info.maxmemory)} used"
    if info.used_memory - info.mem_not_counted_for_evict >= info.maxmemory:
        return fail(f"{message}, it is full and takes no jobs: raise maxmemory or lower STOKER_KEEP_FINISHED", numbers)
    if info.used_memory > _NEARLY_FULL * info.maxmemory:
        return warn(f"{message}: raise maxmemory or lower STOKER_KEEP_FINISHED; a full Redis takes no jobs", numbers)
    return ok(message, numbers)


def _eviction(system: System) -> Finding:
    info = system.info
    if info.maxmemory_policy == "noeviction":
        return ok("a full Redis refuses writes and forgets nothing")
    message = f"maxmemory-policy is {info.maxmemory_policy}: a full Redis would forget jobs; set it to noeviction"
    return fail(message) if info.maxmemory else warn(message)


CHECKS = (
    Check("redis", _version),
    Check("clock", _clock),
    Check("access", _access),
    Check("durability", _durability),
    Check("memory", _memory),
    Check("eviction", _eviction),
)
