"""Loads the ledger's Lua scripts, each behind the tables and functions that it uses."""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from ..redis.calls import Script
from ..redis.linking import linked
from .counters import lua_bounds
from .keys import PREFIX, lua_tables

_ROUTES = ("registry", "routes")
_STATES = ("forms", "seats", "turns", "usage", "states", "examples", "sampling", "ends")
_NEEDS = (*_STATES, "able", "unserved")
# What a script may use besides the basics.
_INCLUDES = {
    **dict.fromkeys(("commit", "followed", "go_on"), (*_STATES, *_ROUTES)),
    **dict.fromkeys(("alias_model", "rollback_model", "note_model"), _ROUTES),
    **dict.fromkeys(("route_open", "route_move", "route_close", "route_list", "route_judge", "route_sweep"), _ROUTES),
    **dict.fromkeys(("remove_versions", "rename_model"), (*_STATES, *_ROUTES, "uses")),
    **dict.fromkeys(("cancel", "count", "drop", "expire"), _STATES),
    **dict.fromkeys(("budgets", "put_off", "query", "quotas", "report", "resend", "pauses"), _STATES),
    **dict.fromkeys(("submit", "accept", "take_in", "change_schedule", "requeue"), (*_STATES, "intake")),
    **dict.fromkeys(("keep_samples", "take_samples"), _STATES),
    "feedback": (*_STATES, *_ROUTES),
    **dict.fromkeys(("pause", "resume"), (*_STATES, "pausing")),
    **dict.fromkeys(("wait", "wake_job", "approve"), _STATES),
    "await_children": (*_STATES, "intake", "pausing"),
    **dict.fromkeys(("foresee", "health"), (*_STATES, "census")),
    **dict.fromkeys(("claim", "release", "wake", "gather", "unmet", "fall_back"), _NEEDS),
    "autoscaling": (*_NEEDS, "census"),
    **dict.fromkeys(("quarantine", "evict"), ("put_aside",)),
    "misplaced": ("wrong_types",),
    "repair": (*_STATES, "wrong_types", "mend_places", "mend_records", "mend_indexes", "mend_counts"),
}
# What few of a script's runs call.
_SELDOM = {
    "submit": ("finish",),
    "claim": (
        *("condemn", "await_worker", "wait_until", "enqueue", "call_back", "withdraw", "stop"),
        *("stop_waiting_for_worker", "with_offers", "lacking", "child_as_seen", "run_ms_of"),
    ),
    "commit": (
        *("make_sound", "start", "withdraw", "fill_all", "enqueue_when_due", "enqueue", "stop_waiting_for_worker"),
        *("clear_pause", "end_sampling", "run_ms_of", "raise_alarm", "move_alias", "open_route"),
        *("notify_parent", "keep_ended_children", "spent_by", "budget_of"),
    ),
    "release": ("await_worker",),
}
# What scripts use and is none.
_SHARED = {"basics", "versions", "audit", *(name for before in _INCLUDES.values() for name in before)}
# It runs on the results' own Redis: see celery_results.py.
_ELSEWHERE = {"copy"}
# The scripts that note in the audit what they do.
_AUDITED = frozenset(
    (
        *("submit", "accept", "take_in", "change_schedule", "cancel", "requeue", "drop", "pause", "resume", "pauses"),
        *("approve", "alias_model", "rollback_model", "note_model", "remove_versions", "rename_model", "commit"),
        *("route_close", "audit_note", "audit_look", "guard_set", "webhook_put", "webhook_replay"),
    )
)


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, ready to run."""
    # Lua allows a function 200 local variables: those of the script itself are not counted with what stands before it.
    source = f"return (function()\n{_lua(name)}\nend)()\n"
    audited = ("audit",) if name in _AUDITED else ()
    shared = "".join(map(_lua, (*audited, *_INCLUDES.get(name, ()))))
    source = linked(source, basics() + shared, {"KEY": PREFIX}, _SELDOM.get(name, ()))
    return Script(source, names_caller=name in _AUDITED)


def script_names() -> list[str]:
    """The names of all of the ledger's scripts."""
    names = (file.name.removesuffix(".lua") for file in (files(__package__) / "lua").iterdir())
    return sorted(set(names) - _SHARED - _ELSEWHERE)


@cache
def lone_script(name: str) -> Script:
    """The script `lua/<name>.lua` without any other before it: one for a Redis that is not the ledger's."""
    return Script(_lua(name))


@cache
def basics() -> str:
    """What every script may use, also those of the lanes: tables of keys, bounds of histograms, shared functions."""
    return lua_tables() + lua_bounds() + _lua("basics") + _lua("versions")


@cache
def versions() -> str:
    """What stands before scripts that only read models, and mend nothing on the way."""
    return lua_tables() + _lua("versions")


def able() -> str:
    """What scripts use that look for a worker which has what is needed."""
    return _lua("able")


def routes() -> str:
    """What scripts use that open, use or end routes."""
    return "".join(map(_lua, _ROUTES))


def waking() -> str:
    """What scripts use that wake a job which waits."""
    return "".join(map(_lua, ("forms", "seats", "turns", "states")))


def _lua(name: str) -> str:
    return (files(__package__) / "lua" / f"{name}.lua").read_text()


def iso_now() -> str:
    """This moment as Celery writes `date_done`: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
