"""What a request over HTTP costs who serves it: callers without a client, each with one row per call.

The servers are those of `bench.inference`. The callers send bytes that were made before, so that they take little of
the two cores and a server's rate is its own. `server_us` is the processor's time of the process that listens, alone: of
Stoker's gateway, all that it does for a request; the others do a part of that in further processes.
"""

from collections.abc import Mapping
from typing import Any

from .lineup import Lineup
from .options import parse

_CALLERS = (1, 64)


def main() -> None:
    """Measure and write the figures down."""
    options = parse("gateway", __doc__, seconds=2.0)
    with Lineup("gateway", options, ("mlp",), serve_models=True) as lineup:
        for peer in lineup.turns():
            for callers in _CALLERS:
                case = {"model": "mlp", "callers": callers}
                lineup.measure(peer, case, "infer_barely", seconds=options.seconds, **case)
        lineup.write()


def table(figures: Mapping[str, Any]) -> str:
    """The figures as a table in Markdown: a row for each server and number of callers, the fastest first."""
    lines = [
        "| server | callers | requests/s | p50, ms | p99, ms | its own time for each, µs |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for case in sorted(figures["cases"], key=lambda case: (case["callers"], -float(case["per_s"]["median"]))):
        cells = [_spread(case, *each) for each in (("per_s", 0), ("p50_ms", 2), ("p99_ms", 2), ("server_us", 0))]
        lines.append(f"| {case['system']} | {case['callers']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(case: Mapping[str, Any], name: str, digits: int) -> str:
    """A figure over the rounds: median (lowest-highest)."""
    found = case.get(name)
    if found is None:
        return ""
    middle, low, high = (f"{found[which]:,.{digits}f}" for which in ("median", "low", "high"))
    return f"{middle} ({low}-{high})"


if __name__ == "__main__":
    main()
