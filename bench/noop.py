"""Jobs that do nothing, from submit to result: the rate of many at once, and the time of one on an idle system.

Stoker's are `Deploy` jobs, each with its record, claim, lease and events. Beside them, requests of one row through a
lane to a model with a single small layer.
"""

from .lineup import Lineup
from .options import parse

# In all rounds together, so that many rounds are short ones.
_JOBS, _QUICK_JOBS = 6_000, 50
_CALLERS, _QUICK_CALLERS = (64, 512), (64,)


def main() -> None:
    """Measure and write the figures down."""
    options = parse("noop", __doc__)
    count = _QUICK_JOBS if options.quick else _JOBS // options.rounds
    with Lineup("noop", options, ["linear"]) as lineup:
        for peer in lineup.turns():
            lineup.measure(peer, {"what": "one job at a time"}, "noop", seconds=options.seconds)
            lineup.measure(peer, {"what": "many jobs"}, "noops", count=count)
            if peer.is_stoker:
                for callers in _QUICK_CALLERS if options.quick else _CALLERS:
                    case = {"model": "linear", "callers": callers, "style": "asyncio"}
                    lineup.measure(peer, {"what": "lane", **case}, "infer", seconds=options.seconds, **case)
        lineup.write(count=count)


if __name__ == "__main__":
    main()
