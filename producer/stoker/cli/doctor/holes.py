"""Security holes of Redis and Valkey that an authenticated client can use, and the versions that fix them."""

import re
from dataclasses import dataclass

_LUA = ("CVE-2025-49844", "CVE-2025-46817", "CVE-2025-46818", "CVE-2025-46819")
_UNBLOCK = ("CVE-2026-23479", "CVE-2026-25243", "CVE-2026-23631")
_KILL = ("CVE-2026-56684", "CVE-2026-63639")


@dataclass(frozen=True)
class Hole:
    """Holes that one release fixed.

    Attributes:
        fixed: the first version of a series without them, or of the next series if this one got no fix.
    """

    names: tuple[str, ...]
    fixed: str


# By server and series, from the release notes. Older series get no releases any more.
_FIXED = {
    "Redis": (
        Hole(_LUA, "6.2.20"),
        Hole(_LUA, "7.2.11"),
        Hole(_LUA, "7.4.6"),
        Hole(_LUA, "8.0.4"),
        Hole(_LUA, "8.2.2"),
        Hole(_UNBLOCK[:1], "8.6.3"),
    ),
    "Valkey": (
        Hole(_LUA, "7.2.11"),
        Hole(_UNBLOCK, "7.2.13"),
        Hole(_LUA, "8.0.6"),
        Hole(_UNBLOCK, "8.0.9"),
        Hole(_KILL, "8.0.10"),
        Hole(_LUA, "8.1.4"),
        Hole(_UNBLOCK, "8.1.7"),
        Hole(_UNBLOCK, "9.0.4"),
        Hole(_KILL, "9.0.5"),
        Hole(_KILL, "9.1.1"),
    ),
}


def known_holes(version: str) -> list[Hole]:
    """The holes of a server such as "Valkey 8.1.3"; none for an unknown server."""
    server, _, number = version.partition(" ")
    have = _numbers(number)
    holes = _FIXED.get(server, ())
    series = [hole for hole in holes if _numbers(hole.fixed)[:2] == have[:2]]
    if not series:
        # 7.0 gets no releases any more: it has the holes that the next series fixed.
        later = [hole for hole in holes if _numbers(hole.fixed) > have]
        series = [hole for hole in later if _numbers(hole.fixed)[:2] == _numbers(later[0].fixed)[:2]]
    return [hole for hole in series if have < _numbers(hole.fixed)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
