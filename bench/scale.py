"""The autoscaler over a day in simulated time, beside an oracle, Celery's rule and KEDA's; and slots of a real node.

A million jobs of mixed kinds, whose rate follows the time of day, on up to 1,000 nodes of four slots that take 30 s to
start. Four real things cannot be seen there: how jobs spread over nodes, drains, failures, and which node goes. Real
slots: see slots.py.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stoker_workers.controller.autoscaler.policy import Target

from . import slots
from .figures import RESULTS, write
from .simulation import loads, rules
from .simulation.simulator import Fleet, Outcome, simulate

_TARGET_WAIT_S = 60.0
_COOLDOWN_S = 120.0
# Jobs a pod, as KEDA's `listLength`; 5 is its default.
_LIST_LENGTHS = (1, 2, 5)


def main() -> None:
    """Simulate and write the figures down."""
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="jobs of the day (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="bursts on the real node (default %(default)s)")
    parser.add_argument("--cycles", type=int, default=50, help="times that it goes up and down (default %(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    given = parser.parse_args()
    node = slots.measure(given.rounds, given.cycles)
    write("scale", {"node": node} | _day(given.jobs), given.results)


def _day(count: int) -> dict[str, Any]:
    jobs, fleet = loads.diurnal(count), Fleet()
    started = time.perf_counter()
    cases = []
    for name, outcome in _outcomes(jobs, fleet):
        cases.append({"rule": name} | _figures(outcome))
        print(cases[-1], flush=True)
    took_s = round(time.perf_counter() - started, 1)
    return {
        "jobs": count,
        "target_wait_s": _TARGET_WAIT_S,
        "least_slot_hours": round(jobs.slot_s / 3600),
        "took_s": took_s,
        "cases": cases,
    }


def _outcomes(jobs: loads.Jobs, fleet: Fleet) -> Iterator[tuple[str, Outcome]]:
    yield "an oracle", rules.oracle(jobs, fleet, _TARGET_WAIT_S)
    target = Target(0, fleet.most, _TARGET_WAIT_S, _COOLDOWN_S, fleet.node_start_s)
    yield "Stoker", simulate(jobs, fleet, rules.stoker(target))
    yield "celery --autoscale, all nodes on", simulate(jobs, Fleet(node_start_s=0.0), rules.celery(fleet.most))
    for length in _LIST_LENGTHS:
        rule = rules.keda(fleet.nodes, fleet.slots_per_node, length)
        yield f"KEDA, listLength {length}", simulate(jobs, fleet, rule)


def _figures(outcome: Outcome) -> dict[str, Any]:
    return {
        "slot_hours": round(outcome.slot_s / 3600),
        "in_time": round(outcome.within(_TARGET_WAIT_S), 4),
        "wait_p50_s": round(outcome.wait_s(0.5), 1),
        "wait_p95_s": round(outcome.wait_s(0.95), 1),
        "wait_p99_s": round(outcome.wait_s(0.99), 1),
        "turns": outcome.turns,
    }


if __name__ == "__main__":
    main()
