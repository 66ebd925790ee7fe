"""Hundreds of mixed jobs while everything that can die dies; afterwards, nothing is lost and nothing is there twice."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

import stoker

from . import callers
from .callers import Said
from .checker import Evidence, orphaned, problems
from .deployment import Deployment
from .disk import Disk
from .monkey import LEASE_S, Monkey
from .network import Namespaces
from .recovery import Recovery, percentile, recoveries
from .tidiness import forget_some, untidy
from .workload import App, Submitted


@dataclass(frozen=True)
class Scale:
    """How large a run is.

    Attributes:
        ahead: unfinished jobs that the app keeps in the system.
        interval_s: the shortest and the longest time between two faults.
        faults_s: how long jobs are submitted and things are broken.
        ends_s: how long the rest may take after the last fault; a job that was hit often waits before it tries again.
    """

    workers: int
    slots: int
    ahead: int
    interval_s: tuple[float, float]
    faults_s: float
    ends_s: float


SHORT = Scale(workers=2, slots=2, ahead=8, interval_s=(1.5, 3), faults_s=12, ends_s=480)
LONG = Scale(workers=3, slots=2, ahead=30, interval_s=(2, 5), faults_s=150, ends_s=900)


@pytest.mark.timeout(1800)
def test_a_minute_of_chaos_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    run(SHORT, tmp_path, seed=1, namespaces=False, disks=False, say=print)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_minutes_of_chaos_lose_nothing_and_double_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    def say(line: str) -> None:
        with capsys.disabled():
            print(line)

    namespaces, disks = Namespaces.possible(), Disk.possible()
    if not namespaces:
        say("\nNo network namespaces here (they need root and iproute2): cuts are made by TCP relays instead.")
    if not disks:
        say("\nNo disks can be mounted here (they need root and a loop device): the store is never full or read-only.")
    run(LONG, tmp_path, seed, namespaces=namespaces, disks=disks, say=say)


def run(scale: Scale, folder: Path, seed: int, *, namespaces: bool, disks: bool, say: Callable[[str], object]) -> None:
    """Let the monkey loose on a deployment at work, wait for the end, and judge it."""
    began = time.monotonic()
    with Deployment(
        folder / "home",
        workers=scale.workers,
        slots=scale.slots,
        controllers=2,
        namespaces=namespaces,
        results=True,
        disks=disks,
        lease_s=LEASE_S,
    ) as deployment:
        deployment.await_workers()
        app = App(deployment.settings, deployment.effects, seed, scale.ahead)
        app.train_base()
        deployment.start_callers()
        monkey = Monkey(deployment, seed, scale.interval_s)
        app.start()
        _torment(app, monkey, scale.faults_s)
        app.finish()
        monkey.rest()
        deployment.stop_callers()
        _finish(app, monkey, deployment, scale.ends_s)
        deployment.stop_workers()
        left = [process for process in deployment.processes() if process.pid not in _tree(deployment)]
        said = callers.read(deployment.calls)
        app.submitted |= _submitted_by(said)
        with deployment.connect() as client, deployment.connect_to_results() as results:
            evidence = Evidence(
                client=client,
                results=results,
                store=deployment.store,
                effects=deployment.effects,
                said=said,
                submitted=app.submitted,
                most_unacked=sum(monkey.counts().values()) * scale.slots,
                most_orphans=sum(monkey.counts()[kind] for kind in _ORPHANING) * scale.slots,
            )
            found = [*problems(evidence), *(f"process {process} is left" for process in left)]
            _tell(evidence, app, monkey, time.monotonic() - began, deployment.network.words, say)
            forget_some(client, deployment.settings)
            found += untidy(client, deployment.settings, deployment.store)
        app.close()
    left = list(deployment.processes())
    assert not left, f"processes are left: {left}"
    assert not found, "\n".join(found)


def _submitted_by(said: Sequence[Said]) -> dict[str, Submitted]:
    """What the app knows of the jobs of forked processes."""
    jobs = {caller.label: Submitted(caller.label, ("SUCCEEDED",)) for caller in said if caller.label}
    for caller in said:
        if caller.label and caller.job:
            jobs[caller.label].ids.add(caller.job)
    return jobs


# Of how many recoveries the whole course is told.
_SLOWEST = 16

# What lets a worker write a checkpoint of which the ledger never hears.
_ORPHANING = ("cut worker", "pause worker", "demote redis", "fill redis")


def _torment(app: App, monkey: Monkey, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert not app.done, "the app has ended by itself"
        monkey.act()
        time.sleep(0.05)


def _finish(app: App, monkey: Monkey, deployment: Deployment, seconds: float) -> None:
    """Wait until all jobs have ended and nothing is to be cleared away any more."""
    until = time.monotonic() + seconds
    while not (app.done and _quiet(app, deployment)):
        assert time.monotonic() < until, f"jobs have not ended within {seconds:g} s after the last fault"
        deployment.supervise()
        monkey.capacity.look()
        time.sleep(0.2)


def _quiet(app: App, deployment: Deployment) -> bool:
    with suppress(stoker.Unavailable, redis.ConnectionError, redis.TimeoutError), deployment.connect() as client:
        cleared = not any(map(client.exists, ("stoker:discarded", "stoker:ended", "stoker:untold")))
        return cleared and not app.open_jobs() and not list(client.names("stoker:gang*"))
    return False


def _tree(deployment: Deployment) -> set[int]:
    """The servers, which still run, and their watchdogs."""
    mains = [server.main for server in deployment.servers]
    return {process.pid for main in mains if main for process in (main, main.parent()) if process}


def _tell(
    evidence: Evidence, app: App, monkey: Monkey, seconds: float, network: str, say: Callable[[str], object]
) -> None:
    states = Counter(evidence.client.fields(name)["state"] for name in evidence.client.names("stoker:job:*"))
    all_of_them = list(recoveries(evidence.client, monkey.faults, monkey.capacity))
    said = evidence.said
    refused = sum((Counter(caller.refused) for caller in said), Counter[str]())
    say(f"\nchaos: {seconds:.0f} s over {network}")
    say(f"jobs: {states.total()} ({', '.join(f'{count} {state}' for state, count in sorted(states.items()))})")
    say(f"submits told again: {app.repeated}")
    say(f"predictions of threads and forked processes: {sum(caller.right for caller in said)} right, {dict(refused)}")
    say(f"checkpoint files that are nobody's: {len(orphaned(evidence))}")
    say("Seconds from the fault until it was noticed, until the work it had hit went on, and of the latter those in")
    say("which a slot was free and the job was not held off after repeated losses, median, 95 of 100 and longest:")
    heads = ("injected", "recoveries", "noticed, p95", "resumed, p50", "p95", "where free, p50", "p95", "longest")
    say(f"{'fault':16}" + "".join(f" {head:>{max(len(head), 6)}}" for head in heads))
    for kind, count in sorted(monkey.counts().items()):
        say(_row(kind, count, [recovery for recovery in all_of_them if recovery.kind == kind], heads))
    say(_row("all", len(monkey.faults), all_of_them, heads))
    say("The slowest of those, and what was told of the job, in seconds from the fault:")
    for recovery in sorted(all_of_them, key=lambda recovery: recovery.delay_s)[: -_SLOWEST - 1 : -1]:
        steps = "; ".join(recovery.steps)
        say(f"{recovery.delay_s:6.1f} of {recovery.resumed_s:.1f} s after {recovery.kind}, {recovery.job_id}: {steps}")


def _row(kind: str, count: int, recovered: Sequence[Recovery], heads: Sequence[str]) -> str:
    noticed, resumed, delays = (
        [getattr(recovery, name) for recovery in recovered] for name in ("noticed_s", "resumed_s", "delay_s")
    )
    times = (
        percentile(noticed, 0.95),
        *(percentile(resumed, share) for share in (0.5, 0.95)),
        *(percentile(delays, share) for share in (0.5, 0.95, 1.0)),
    )
    cells = (str(count), str(len(recovered)), *(f"{seconds:.1f}" for seconds in times))
    return f"{kind:16}" + "".join(f" {cell:>{max(len(head), 6)}}" for cell, head in zip(cells, heads, strict=True))
