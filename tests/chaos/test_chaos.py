"""Hundreds of mixed jobs while everything that can die dies; afterwards, nothing is lost and nothing is there twice."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
import redis

import stoker

from .checker import Evidence, orphaned, problems
from .fleet import Fleet
from .monkey import Monkey
from .network import Namespaces
from .recovery import Recovery, recoveries
from .workload import App


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


SHORT = Scale(workers=2, slots=2, ahead=12, interval_s=(1.5, 3), faults_s=40, ends_s=150)
LONG = Scale(workers=3, slots=2, ahead=30, interval_s=(3, 8), faults_s=360, ends_s=400)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_minute_of_chaos_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    run(SHORT, tmp_path, seed=1, namespaces=False, say=print)


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_ten_minutes_of_chaos_lose_nothing_and_double_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(line: str) -> None:
        with capsys.disabled():
            print(line)

    namespaces = Namespaces.possible()
    if not namespaces:
        say("\nNo network namespaces here (they need root and iproute2): cuts are made by TCP relays instead.")
    run(LONG, tmp_path, seed=2, namespaces=namespaces, say=say)


def run(scale: Scale, folder: Path, seed: int, *, namespaces: bool, say: Callable[[str], object]) -> None:
    """Let the monkey loose on a fleet at work, wait for the end, and judge it."""
    began = time.monotonic()
    with Fleet(
        folder / "home", workers=scale.workers, slots=scale.slots, controllers=2, namespaces=namespaces
    ) as fleet:
        fleet.await_workers()
        app = App(fleet.settings, fleet.effects, seed, scale.ahead)
        app.train_base()
        monkey = Monkey(fleet, seed, scale.interval_s)
        app.start()
        _torment(app, monkey, scale.faults_s)
        app.finish()
        monkey.rest()
        _finish(app, fleet, scale.ends_s)
        fleet.stop_workers()
        left = [process for process in fleet.processes() if process.pid not in _tree(fleet)]
        with fleet.connect() as client:
            evidence = Evidence(
                client=client,
                store=fleet.store,
                effects=fleet.effects,
                submitted=app.submitted,
                most_unacked=sum(monkey.counts().values()) * scale.slots,
                most_orphans=sum(monkey.counts()[kind] for kind in ("cut worker", "pause worker")) * scale.slots,
            )
            found = [*problems(evidence), *(f"process {process} is left" for process in left)]
            _tell(evidence, app, monkey, time.monotonic() - began, fleet.network.words, say)
        app.close()
    left = list(fleet.processes())
    assert not left, f"processes are left: {left}"
    assert not found, "\n".join(found)


def _torment(app: App, monkey: Monkey, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert not app.done, "the app has ended by itself"
        monkey.act()
        time.sleep(0.05)


def _finish(app: App, fleet: Fleet, seconds: float) -> None:
    """Wait until all jobs have ended and nothing is to be cleared away any more."""
    until = time.monotonic() + seconds
    while not (app.done and _quiet(app, fleet)):
        assert time.monotonic() < until, f"jobs have not ended within {seconds:g} s after the last fault"
        fleet.supervise()
        time.sleep(0.2)


def _quiet(app: App, fleet: Fleet) -> bool:
    with suppress(stoker.Unavailable, redis.ConnectionError, redis.TimeoutError), fleet.connect() as client:
        cleared = not client.exists("stoker:discarded") and not client.exists("stoker:ended")
        return cleared and not app.open_jobs() and not list(client.names("stoker:gang*"))
    return False


def _tree(fleet: Fleet) -> set[int]:
    """The server, which still runs, and its guard."""
    main = fleet.redis.main
    parent = main.parent() if main else None
    return {process.pid for process in (main, parent) if process}


def _tell(
    evidence: Evidence, app: App, monkey: Monkey, seconds: float, network: str, say: Callable[[str], object]
) -> None:
    states = Counter(evidence.client.fields(name)["state"] for name in evidence.client.names("stoker:job:*"))
    all_of_them = list(recoveries(evidence.client, monkey.faults))
    say(f"\nchaos: {seconds:.0f} s over {network}")
    say(f"jobs: {states.total()} ({', '.join(f'{count} {state}' for state, count in sorted(states.items()))})")
    say(f"submits told again: {app.repeated}")
    say(f"checkpoint files that are nobody's: {len(orphaned(evidence))}")
    say("From the fault until it was noticed, and until the work it had hit went on (waiting and queueing included):")
    say(f"{'fault':16} {'injected':>8} {'recoveries':>10} {'noticed, s':>10} {'resumed, s':>10} {'median, s':>10}")
    for kind, count in sorted(monkey.counts().items()):
        say(_row(kind, count, [recovery for recovery in all_of_them if recovery.kind == kind]))
    say(_row("all, the longest", len(monkey.faults), all_of_them))


def _row(kind: str, count: int, recovered: Sequence[Recovery]) -> str:
    noticed = max((recovery.noticed_s for recovery in recovered), default=0.0)
    resumed = [recovery.resumed_s for recovery in recovered] or [0.0]
    return f"{kind:16} {count:8} {len(recovered):10} {noticed:10.1f} {max(resumed):10.1f} {median(resumed):10.1f}"
