"""Who may write which keys of Redis, and run which commands: the table behind config/users.acl.

A script runs with the rights of its caller, who may do without it whatever it does. So a party's keys are those that
its scripts write, and every command of the scripts is one of its commands.
"""

from collections.abc import Sequence
from enum import StrEnum

from ..fleet.topology import DEVICES
from ..lanes import keys as lane_keys
from ..ledger import keys


class Party(StrEnum):
    """Whom a user of Redis stands for."""

    CLIENT = "client"
    WORKER = "worker"
    CONTROLLER = "controller"
    APPROVER = "approver"


# Who approves, where nobody says which roles there are; docs/rollouts.md tells of roles.
ROLE = "release-managers"

# A job that is taken in, cancelled or queued again: its record, and whatever depends on it.
_JOBS = (
    *("job", "events", "after", "jobs", "due", "paused", "fallback", "finished", "ended", "sequence", "rings", "rung"),
    *("held", "tenants", "seats", "load", "running", "queued", "idempotency", "singleton", "schedules"),
    *("schedule_states", "children", "reached", "history", "intake", "intakes", "untold", "kinds", "needs", "posted"),
    *("unserved", "repairs", "damaged", "tallies", "usage", "discarded", "alarms", "evidence", "sampling", "sampled"),
    *("samples", "taken_samples", "answered", "answered_at", "outcomes", "uploads", "uploads_until", "meta"),
    "webhook_events",
)
# Of attempts and of what they make, and what workers say of themselves.
_WORK = (
    *("leases", "last_events", "followed", "gathering", "windows", "heard", "mirrored", "identical", "quarantine"),
    *("quarantined", "models", "model", "aliases", "notes", "routes", "moves", "guards", "guarded", "guard_rows"),
    *("workers", "seen", "wanted", "service", "examples", "pauses"),
)
_GANGS = ("gang", "gang_outage", "gang_rung")
# Of who leads, and what only the settings or the leader decide.
_LEAD = (
    *("leader", "duties", "leftovers", "unnamed", "quotas", "roles", "approvals", "decisions"),
    *("auditing", "audit_heads", "audits", "audit"),
    *("webhooks", "hooked", "webhook_deliveries", "webhook_due", "webhook_delivered", "webhook_dead", "webhook_counts"),
)
# What operators alone write.
_BY_HAND = ("fleet", "backup")

_REQUESTS = ("lane", "lanes", "lane_queue", "bells", "idle", "wake", "answers")
_DRAINING = ("lane_drainers", "drainers", "taken", "turn", "load_failures")
_MAKING_WAY = ("making_way",)
# Named by the Redis user, who writes those of its own name alone.
OWN = ("asked",)

_CLIENT, _WORKER, _CONTROLLER = frozenset({Party.CLIENT}), frozenset({Party.WORKER}), frozenset({Party.CONTROLLER})
_OPERATORS: frozenset[Party] = frozenset()
WRITERS: dict[str, frozenset[Party]] = {
    **dict.fromkeys(("interrupts",), _CLIENT | _WORKER),
    # A gateway is a client.
    **dict.fromkeys(("rates",), _CLIENT),
    **dict.fromkeys(_JOBS, _CLIENT | _WORKER | _CONTROLLER),
    **dict.fromkeys(_WORK, _WORKER | _CONTROLLER),
    **dict.fromkeys(_GANGS, _WORKER),
    **dict.fromkeys(_LEAD, _CONTROLLER),
    **dict.fromkeys(_BY_HAND, _OPERATORS),
}
LANE_WRITERS: dict[str, frozenset[Party]] = {
    **dict.fromkeys(_REQUESTS, _CLIENT | _WORKER | _CONTROLLER),
    **dict.fromkeys(_DRAINING, _WORKER | _CONTROLLER),
    **dict.fromkeys(_MAKING_WAY, _WORKER),
    **dict.fromkeys(OWN, _OPERATORS),
}
# Celery's and kombu's, for database 0. A worker's: remote control, Flower, and messages that wait for their
# acknowledgement.
_KOMBU = ("_kombu.binding*", "*.celery.pidbox*", "celeryev.*", "unacked", "unacked_index", "unacked_mutex")
_QUEUES = tuple(f"{device}.*" for device in DEVICES)

# What the scripts and Stoker itself run: none asks for keys by a pattern, or takes Lua.
COMMANDS = (
    *("blpop", "del", "evalsha", "exists", "expire", "get", "hdel", "hexists", "hget", "hgetall", "hincrby", "hkeys"),
    *("hlen", "hmget", "hrandfield", "hscan", "hset", "hsetnx", "hvals", "incr", "incrby", "lindex", "llen", "lmove"),
    *("lpop", "lpos", "lpush", "lrange", "lrem", "ltrim", "mget", "persist", "pexpire", "publish", "rpush", "sadd"),
    *("scard", "set", "sismember", "smembers", "srandmember", "srem", "time", "type", "xadd", "xdel", "xinfo|stream"),
    *("xrange", "xread", "xrevrange", "xtrim", "zadd", "zcard", "zcount", "zpopmin", "zrandmember", "zrange"),
    *("zrangebyscore", "zrem", "zremrangebyscore", "zrevrange", "zrevrangebyscore", "zscore"),
)
LOADING = ("script|load", "script|exists")
_MORE_COMMANDS = {
    # Celery's `AsyncResult` waits for results.
    Party.CLIENT: ("subscribe", "unsubscribe"),
    # Celery and kombu run what they like of these.
    Party.WORKER: (
        *("@string", "@hash", "@list", "@set", "@sortedset", "@stream", "@transaction"),
        *("unlink", "pttl", "memory|usage", "psubscribe", "punsubscribe", *LOADING),
    ),
    Party.CONTROLLER: ("scan", *LOADING),
    Party.APPROVER: ("acl|whoami",),
}


def key_patterns(party: Party) -> list[str]:
    """The keys that a party may write, as rules; those that are written most often first: Redis compares in order."""
    if party is Party.APPROVER:
        return [f"~{keys.key('approvals', ROLE)}"]
    lanes = [pattern(lane_keys.PREFIX[name]) for name, parties in LANE_WRITERS.items() if party in parties]
    ledger = [pattern(keys.PREFIX[name]) for name, parties in WRITERS.items() if party in parties]
    celery = _KOMBU if party is Party.WORKER else ()
    # Who only sends messages need not read or take any.
    queues = [f"{'%W' if party is Party.CLIENT else ''}~{each}" for each in _QUEUES]
    return [*(f"~{each}" for each in (*lanes, *ledger, *celery)), *queues]


def channels(party: Party) -> Sequence[str]:
    """Patterns of the channels that a party may use, for database 0."""
    if party is Party.APPROVER:
        return ()
    return ("celery-task-meta-*", *(("/0.celery.pidbox", "/0.celeryev/*") if party is Party.WORKER else ()))


def commands(party: Party) -> tuple[str, ...]:
    """The commands and categories that a party may run, in Redis' words; beside those of category connection."""
    return (*COMMANDS, *_MORE_COMMANDS[party])


def pattern(prefix: str) -> str:
    """Of the keys that begin so, or of the one that is called so."""
    return f"{prefix}*" if prefix.endswith((":", "-")) else prefix
