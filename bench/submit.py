"""Submitting no-op jobs, one by one and many at once.

No worker runs: the client alone is measured, and the Redis behind it.
"""

from .lineup import Lineup
from .options import parse

# In all rounds together: they stay queued, in memory.
_JOBS, _QUICK_JOBS = 30_000, 200


def main() -> None:
    """Measure and write the figures down."""
    options = parse("submit", __doc__)
    count = _QUICK_JOBS if options.quick else _JOBS // options.rounds
    with Lineup("submit", options, ["linear"], serving=False) as lineup:
        for peer in lineup.turns():
            for way in lineup.ways(peer, "submit"):
                lineup.measure(peer, {"way": way}, "submit", way=way, count=count)
        lineup.write(count=count)


if __name__ == "__main__":
    main()
