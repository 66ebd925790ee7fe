"""The autoscaler on loads by which nothing of its policy was chosen, each drawn several times anew.

Costs are in slot-hours of an oracle's, on up to 200 nodes of four slots that take 30 s to start.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stoker_workers.controller.autoscaler.policy import Target

from .figures import RESULTS, write
from .simulation import loads, rules
from .simulation.loads import STUDIED, Jobs
from .simulation.simulator import Fleet, Outcome, simulate

_TARGET_WAIT_S, _COOLDOWNS_S = 60.0, (120.0, 30.0)
_LIST_LENGTHS = (1, 2)
_FLEET = Fleet(nodes=200)
_HOUR_S = 3600.0
_LOADS: Mapping[str, Callable[[int], Jobs]] = {
    "half a day, nearly nothing at its ends": lambda seed: loads.diurnal(20_000, 12 * _HOUR_S, 0.95, STUDIED, seed),
    "by turns many and few": lambda seed: loads.clustered(6_000, 4 * _HOUR_S, kinds=STUDIED, seed=seed),
    "more and more": lambda seed: loads.ramp(2.0, 2 * _HOUR_S, STUDIED, seed),
    "half an hour on, half an hour off": lambda seed: loads.flapping(_HOUR_S, 4 * _HOUR_S, 0.8, STUDIED, seed),
    "twelve bursts in three hours": lambda seed: loads.bursts(150, 12, 3 * _HOUR_S, STUDIED, seed),
}


def main() -> None:
    """Simulate and write the figures down."""
    parser = argparse.ArgumentParser(prog="python -m bench elsewhere", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how often each load is drawn (default %(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    given = parser.parse_args()
    cases = [case for name in _LOADS for case in _cases(name, given.seeds)]
    write("elsewhere", {"seeds": given.seeds, "target_wait_s": _TARGET_WAIT_S, "cases": cases}, given.results)


def table(figures: Mapping[str, Any]) -> str:
    """What was found, for the page."""
    lines = [
        "| load | rule | slot-hours of the oracle's | jobs started in time | wait, s: p95 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for case in figures["cases"]:
        cost, in_time = case["cost"], case["in_time"]
        lines.append(
            f"| {case['load']} | {case['rule']} | {cost['median']:.2f} ({cost['low']:.2f}-{cost['high']:.2f}) | "
            f"{in_time['median']:.1%} ({in_time['low']:.1%}-{in_time['high']:.1%}) | {case['wait_p95_s']:.0f} |"
        )
    return "\n".join([f"Medians (lowest-highest) of {figures['seeds']} draws of each load.", "", *lines])


def _cases(load: str, seeds: int) -> Iterator[dict[str, Any]]:
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(seeds):
        jobs = _LOADS[load](1_000 + seed)
        best = rules.oracle(jobs, _FLEET, _TARGET_WAIT_S)
        for rule, outcome in [("an oracle", best), *_outcomes(jobs)]:
            figures = outcome.slot_s / best.slot_s, outcome.within(_TARGET_WAIT_S), outcome.wait_s(0.95)
            found.setdefault(rule, []).append(figures)
    for rule, of_seeds in found.items():
        costs, in_time, waits_s = zip(*of_seeds, strict=True)
        case = {
            "load": load,
            "rule": rule,
            "cost": {"median": statistics.median(costs), "low": min(costs), "high": max(costs)},
            "in_time": {"median": statistics.median(in_time), "low": min(in_time), "high": max(in_time)},
            "wait_p95_s": statistics.median(waits_s),
        }
        print(case, flush=True)
        yield case


def _outcomes(jobs: Jobs) -> Iterator[tuple[str, Outcome]]:
    for cooldown_s in _COOLDOWNS_S:
        target = Target(0, _FLEET.most, _TARGET_WAIT_S, cooldown_s, _FLEET.node_start_s)
        yield f"Stoker, cooldown {cooldown_s:g} s", simulate(jobs, _FLEET, rules.stoker(target))
    always_on = Fleet(nodes=_FLEET.nodes, node_start_s=0.0)
    yield "celery --autoscale, all nodes on", simulate(jobs, always_on, rules.celery(_FLEET.most))
    for length in _LIST_LENGTHS:
        rule = rules.keda(_FLEET.nodes, _FLEET.slots_per_node, length)
        yield f"KEDA, listLength {length}", simulate(jobs, _FLEET, rule)


if __name__ == "__main__":
    main()
