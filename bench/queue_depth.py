"""What a queued job costs in Redis: its memory before and after many no-op jobs were submitted that nobody runs."""

import redis

from .lineup import Lineup
from .options import parse

_JOBS, _QUICK_JOBS = 10_000, 500


def main() -> None:
    """Measure and write the figures down."""
    options = parse("queue_depth", __doc__, rounds=1)
    count = _QUICK_JOBS if options.quick else _JOBS
    with Lineup("queue_depth", options, ["linear"], serving=False) as lineup:
        for peer in lineup.turns():
            callers = lineup.callers(peer)
            way = lineup.ways(peer, "submit")[-1]
            with redis.Redis.from_url(callers.url) as client:
                before = client.info("memory")["used_memory"]
                callers.measure("submit", way=way, count=count)
                after = client.info("memory")["used_memory"]
            lineup.keep(peer.name, {"way": way}, {"bytes_per_job": (after - before) / count})
        lineup.write(count=count)


if __name__ == "__main__":
    main()
