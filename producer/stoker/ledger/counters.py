"""What the scripts count while they do their work: exact over every worker and every restart, one small hash in all.

A field is a counter, `<what> <label> …`, or belongs to a histogram: `<what> <label> … <bound>` counts the values up to
that bound and above the one before (`inf`: above all), and `<what> <label> … sum` adds them up.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..redis.calls import Call
from .keys import key

# Milliseconds, from what a warm slot takes to a day.
TIME_BOUNDS_MS = (10, 50, 100, 500, 1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 86_400_000)
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)


@dataclass(frozen=True)
class Histogram:
    """Values that were observed.

    Attributes:
        buckets: how many were at most so large, by the bound, the last of which is infinity.
        total: their sum.
    """

    buckets: tuple[tuple[float, int], ...]
    total: int

    @property
    def count(self) -> int:
        """How many there were."""
        return self.buckets[-1][1]


@dataclass(frozen=True)
class Tallies:
    """Everything counted since the ledger began. Times are in milliseconds.

    Attributes:
        finished: jobs that ended, by kind and state; one that is requeued and ends again counts again.
        waits: from QUEUED to the claim, by queue.
        attempts: from the claim to its end, by kind and how it ended, as `PastAttempt.how` has it.
        batches: requests that lanes answered together; their sum is how many were answered.
        refused_requests: what lanes refused because they were full.
        guard_refusals: what guards of models have refused: an "input", an "output", or requests for their "rate".
        repairs: damages to the ledger that were mended.
        removed_versions: versions of models that were removed, by why: "asked" or "retention".
        removed_bytes: of files in the store that were removed because nothing named them.
    """

    finished: Mapping[tuple[str, str], int]
    waits: Mapping[str, Histogram]
    attempts: Mapping[tuple[str, str], Histogram]
    batches: Histogram
    refused_requests: int
    guard_refusals: Mapping[str, int]
    repairs: int
    removed_versions: Mapping[str, int]
    removed_bytes: int


def read_tallies() -> Call[Tallies]:
    """Read them all."""
    return Call(("HGETALL", key("tallies")), _decode)


def lua_bounds() -> str:
    """The histograms' bounds for the scripts, as Lua statements."""
    times, batches = (", ".join(map(str, bounds)) for bounds in (TIME_BOUNDS_MS, BATCH_BOUNDS))
    return f"local BOUNDS = {{ time = {{ {times} }}, batch = {{ {batches} }} }}\n"


def _decode(answer: dict[bytes, bytes]) -> Tallies:
    groups: defaultdict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    for field, count in answer.items():
        # What something else has written there is no count.
        with suppress(ValueError):
            *words, last = field.decode().split(" ")
            groups[tuple(words)][last] = int(count)
    finished: dict[tuple[str, str], int] = {}
    waits: dict[str, Histogram] = {}
    attempts: dict[tuple[str, str], Histogram] = {}
    for name, counts in groups.items():
        match name:
            case ("finished", kind):
                finished |= {(kind, state): count for state, count in counts.items()}
            case ("wait", queue):
                waits[queue] = _histogram(counts, TIME_BOUNDS_MS)
            case ("attempt", kind, how):
                attempts[kind, how] = _histogram(counts, TIME_BOUNDS_MS)
    refused = groups["refused",].get("requests", 0)
    repairs = groups[()].get("repairs", 0)
    removed_bytes = groups["removed",].get("bytes", 0)
    batches, removed = _histogram(groups["batch",], BATCH_BOUNDS), groups["removed", "versions"]
    guards = groups["guard",]
    return Tallies(finished, waits, attempts, batches, refused, guards, repairs, removed, removed_bytes)


def _histogram(counts: Mapping[str, int], bounds: Sequence[int]) -> Histogram:
    # By comparison, so that what was counted under other bounds, by an older version, is still in.
    single = {float(bound): count for bound, count in counts.items() if bound != "sum"}
    buckets = tuple(
        (bound, sum(count for other, count in single.items() if other <= bound)) for bound in (*bounds, math.inf)
    )
    return Histogram(buckets, counts.get("sum", 0))


# Where no time was observed yet.
NO_TIMES = _histogram({}, TIME_BOUNDS_MS)
