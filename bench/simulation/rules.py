"""The rules that are compared: Stoker's policy, Celery's --autoscale, KEDA's queue length, and an oracle."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stoker_workers.controller.autoscaler.load import Load
from stoker_workers.controller.autoscaler.policy import Memory, Target, decide

from .loads import Jobs
from .simulator import Fleet, Outcome, Rule, simulate


def stoker(target: Target) -> Rule:
    """The policy of Stoker's controller."""
    memory: Memory | None = None

    def rule(load: Load) -> int:
        nonlocal memory
        wish, memory = decide(target, load, memory)
        return wish.slots

    return rule


def stoker_by_means(target: Target) -> Rule:
    """The same policy where nothing is foreseen of single jobs: each is taken to run for its kind's mean."""
    decided = stoker(target)

    def rule(load: Load) -> int:
        kinds = {name: replace(kind, foreseen=(), lately=None) for name, kind in load.kinds.items()}
        seen = tuple(job._replace(takes=None) for job in load.seen)
        return decided(replace(load, kinds=kinds, seen=seen))

    return rule


def celery(most: int, keepalive_s: float = 30.0) -> Rule:
    """celery --autoscale: as many processes as messages in hand; one goes when it was idle for the keepalive.

    Taken as one pool over all nodes, which all run: no worker hoards what another could start, and none has to start.
    """
    needed: deque[tuple[float, int]] = deque()

    def rule(load: Load) -> int:
        reserved = load.busy + sum(kind.queued for kind in load.kinds.values())
        needed.append((load.at_s, min(reserved, most)))
        while needed[0][0] < load.at_s - keepalive_s:
            needed.popleft()
        return max(slots for _, slots in needed)

    return rule


def keda(most_nodes: int, slots_per_node: int, jobs_per_node: int) -> Rule:
    """KEDA's Redis list scaler with a Horizontal Pod Autoscaler, a pod a node, by their defaults.

    Every 15 s it wants queue length / `jobs_per_node` pods, within a tolerance of 10 %; it at most doubles or adds 4,
    and shrinks to the largest wish of the last 300 s. It sees what is queued, not what runs.
    """
    nodes, asked_at = 0, -math.inf
    wishes: deque[tuple[float, int]] = deque()

    def rule(load: Load) -> int:
        nonlocal nodes, asked_at
        if load.at_s - asked_at < 15:
            return nodes * slots_per_node
        asked_at = load.at_s
        queued = sum(kind.queued for kind in load.kinds.values())
        wish = math.ceil(queued / jobs_per_node)
        if nodes and abs(queued / jobs_per_node / nodes - 1) <= 0.1:
            wish = nodes
        wish = min(wish, most_nodes, max(2 * nodes, nodes + 4))
        wishes.append((load.at_s, wish))
        while wishes[0][0] < load.at_s - 300:
            wishes.popleft()
        nodes = max(wish, min(nodes, max(wished for _, wished in wishes)))
        return nodes * slots_per_node

    return rule


def oracle(
    jobs: Jobs, fleet: Fleet, target_wait_s: float, margins: Sequence[float] = (0, 0.01, 0.02, 0.03, 0.05, 0.1)
) -> Outcome:
    """One that knows every job to come.

    It asks in time for the slots that would be busy if all jobs started at once, averaged over the allowed wait;
    with the smallest margin with which 95 % of the jobs start within the target.
    """
    ends = np.sort(jobs.at_s + jobs.service_s)
    edges = np.arange(0, ends[-1] + fleet.tick_s, fleet.tick_s)
    # Seconds of service between the start of time and each edge.
    begun = np.concatenate([[0.0], np.cumsum(jobs.at_s)])
    over = np.concatenate([[0.0], np.cumsum(ends)])
    arrived, ended = np.searchsorted(jobs.at_s, edges), np.searchsorted(ends, edges)
    served = edges * arrived - begun[arrived] - (edges * ended - over[ended])
    for margin in margins:

        def rule(load: Load, margin: float = margin) -> int:
            first, last = load.at_s, load.at_s + fleet.node_start_s + target_wait_s
            busy = (np.interp(last, edges, served) - np.interp(first, edges, served)) / (last - first)
            return math.ceil(float(busy) * (1 + margin) - 1e-9)

        outcome = simulate(jobs, fleet, rule)
        if outcome.within(target_wait_s) >= 0.95:
            return outcome
    return outcome
