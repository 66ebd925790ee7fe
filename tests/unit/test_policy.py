"""The autoscaler's policy, over loads in simulated time."""

import math
from dataclasses import replace

import pytest
from bench.simulation import loads, rules
from bench.simulation.simulator import Fleet, Outcome, simulate

from stoker.foresight.estimates import around
from stoker_workers.controller.autoscaler.load import KindLoad, Load, Running
from stoker_workers.controller.autoscaler.policy import Memory, Target, Wish, decide

NODE = Fleet(nodes=1, slots_per_node=64, node_start_s=0.0, tick_s=1.0)
TARGET = Target(least=0, most=64, target_wait_s=10.0, cooldown_s=60.0)


def scaled(jobs: loads.Jobs, *, target: Target = TARGET, slots: int = 0, tail_s: float = 0.0) -> Outcome:
    return simulate(jobs, NODE, rules.stoker(target), slots=slots, tail_s=tail_s)


def idle(at_s: float, slots: int, busy: int = 0) -> Load:
    return Load(at_s, {}, running=busy, seen=(Running("train", at_s),) * busy, drainers=0, slots=slots, busy=busy)


def test_a_backlog_gets_the_slots_that_start_it_in_time_and_the_reason_says_so() -> None:
    load = Load(0.0, {"infer": KindLoad(120, 120, 0, 2.0)}, running=0, seen=(), drainers=0, slots=1, busy=0)
    wish, _ = decide(TARGET, load, None)
    assert wish.slots == 24
    assert wish.reasons[0] == "120 queued jobs of 2.0 s within 10.0 s -> 24 slots"


def test_more_than_the_maximum_is_wanted_but_not_given() -> None:
    load = Load(0.0, {"infer": KindLoad(5000, 5000, 0, 2.0)}, running=0, seen=(), drainers=0, slots=1, busy=0)
    wish, _ = decide(TARGET, load, None)
    assert wish.slots == 64
    assert wish.reasons[:2] == ("at most 64", "1000 would be needed")


def test_a_backlog_that_no_slot_could_start_holds_the_fleet_until_it_can_and_the_reason_says_so() -> None:
    load = Load(
        1.0,
        {"infer": KindLoad(120, 120, 0, 2.0)},
        running=0,
        seen=(),
        drainers=0,
        slots=2,
        busy=0,
        outage="the store is read-only",
    )
    wish, memory = decide(TARGET, load, None)
    assert wish.slots == 2
    assert wish.reasons[:2] == ("held, because the store is read-only", "24 would be needed")
    assert decide(replace(TARGET, least=3), load, None)[0].slots == 3
    assert decide(TARGET, replace(load, at_s=2.0, outage=""), memory)[0].slots == 24


def test_an_outage_keeps_no_slot_that_is_not_needed() -> None:
    memory = Memory(1000.0, {}, peaks=((1000.0, 0),))
    load = replace(idle(1001.0, slots=16), outage="the store is read-only")
    assert decide(TARGET, load, memory)[0] == Wish(12, ("0 would do; a step down takes at most 4", "nothing to do"))


def test_a_kind_that_was_never_measured_is_not_taken_for_short() -> None:
    load = Load(0.0, {"train": KindLoad(6, 6, 0, 0.0)}, running=0, seen=(), drainers=0, slots=1, busy=0)
    assert decide(TARGET, load, None)[0].slots == 6


def test_lanes_count_as_the_drainers_they_need() -> None:
    load = Load(0.0, {}, running=0, seen=(), drainers=3, slots=1, busy=1)
    assert decide(TARGET, load, None)[0].slots == 3


def test_a_training_by_several_workers_gets_them_all_at_once() -> None:
    load = Load(0.0, {"train": KindLoad(4, 4, 9, 1.0)}, running=0, seen=(), drainers=0, slots=1, busy=0, widest=4)
    wish, _ = decide(TARGET, load, None)
    assert wish.slots == 4
    assert wish.reasons[0] == "4 queued jobs of 1.0 s within 10.0 s, 4 at once for one -> 4 slots"


def test_a_burst_starts_in_time_and_all_slots_go_when_the_cooldown_is_over() -> None:
    jobs = loads.burst(200)
    outcome = scaled(jobs, tail_s=100.0)
    assert outcome.within(TARGET.target_wait_s) > 0.95
    assert outcome.slots[-1] == 0
    assert outcome.turns == 1


def test_a_ramp_is_followed_without_late_jobs() -> None:
    outcome = scaled(loads.ramp(last_rate=20.0, length_s=600.0))
    assert outcome.within(TARGET.target_wait_s) > 0.95


def test_what_arrives_steadily_keeps_few_more_slots_than_it_needs() -> None:
    jobs = loads.diurnal(20_000, length_s=2_000.0, swing=0.0, kinds=loads.SHORT)
    outcome = scaled(jobs, slots=20)
    assert outcome.within(TARGET.target_wait_s) > 0.95
    assert outcome.slot_s < 1.3 * jobs.slot_s


def test_a_giant_job_keeps_one_slot_and_changes_nothing_else() -> None:
    small = loads.burst(50, kinds={"infer": loads.Kind(1.0, 1.0)})
    outcome = scaled(loads.giant(2_000.0, small))
    assert outcome.turns == 1
    assert outcome.slots[-1] == 1


def test_a_load_that_comes_and_goes_within_the_cooldown_does_not_make_slots_come_and_go() -> None:
    outcome = scaled(loads.flapping(period_s=40.0, length_s=1_200.0, rate=10.0))
    steady = outcome.slots[120:1150]
    assert steady.max() - steady.min() <= 0.35 * steady.max()
    assert outcome.within(TARGET.target_wait_s) > 0.95


def test_the_policy_comes_close_to_an_oracle_over_a_day() -> None:
    fleet = Fleet(nodes=100)
    jobs = loads.diurnal(20_000, length_s=loads.DAY_S / 4)
    target = Target(0, fleet.most, 60.0, 120.0, fleet.node_start_s)
    outcome = simulate(jobs, fleet, rules.stoker(target))
    assert outcome.within(target.target_wait_s) > 0.95
    assert outcome.slot_s < 1.3 * rules.oracle(jobs, fleet, target.target_wait_s).slot_s


def test_no_slot_is_taken_from_a_job() -> None:
    memory = Memory(990.0, {}, peaks=((990.0, 0),))
    wish, _ = decide(TARGET, idle(1000.0, slots=8, busy=7), memory)
    assert wish.slots == 7


def test_a_step_down_takes_at_most_a_quarter() -> None:
    memory = Memory(1000.0, {}, peaks=((1000.0, 0),))
    seen = []
    slots = 16
    for second in range(1, 60):
        wish, memory = decide(TARGET, idle(1000.0 + second, slots), memory)
        slots = wish.slots
        seen.append(slots)
    assert seen[:4] == [12, 9, 7, 6]
    assert wish.reasons == ("nothing to do",)
    assert seen[-1] == 0


def test_a_controller_that_has_just_taken_over_takes_nothing_away_for_a_cooldown() -> None:
    wish, memory = decide(TARGET, idle(5.0, slots=10), None)
    assert wish.slots == 10
    assert decide(TARGET, idle(64.0, slots=10), memory)[0].slots == 10


@pytest.mark.parametrize(("least", "most", "slots"), [(3, 8, 3), (0, 8, 0)])
def test_an_idle_fleet_has_the_minimum(least: int, most: int, slots: int) -> None:
    memory = Memory(100.0, {}, peaks=((100.0, 0),))
    assert decide(Target(least, most, 10.0, 60.0), idle(101.0, slots=slots), memory)[0].slots == slots


def foreseen(*seconds: float) -> KindLoad:
    """Queued jobs of a kind whose mean says little of each."""
    return KindLoad(
        len(seconds), len(seconds), 9, 300.0, tuple((1, around(math.log(each), 0.01, "")) for each in seconds)
    )


def test_a_backlog_gets_the_slots_that_its_own_jobs_need_and_the_reason_says_what_they_take() -> None:
    load = Load(0.0, {"train": foreseen(*[2.0] * 40)}, running=0, seen=(), drainers=0, slots=1, busy=0)
    wish, _ = decide(TARGET, load, None)
    assert wish.slots == 9
    assert wish.reasons[0] == "40 queued jobs foreseen to take 80 s within 10.0 s -> 9 slots"
    few = Load(0.0, {"train": foreseen(500.0, *[1.0] * 20)}, running=0, seen=(), drainers=0, slots=1, busy=0)
    wish, _ = decide(TARGET, few, None)
    assert wish.slots == 4
    assert wish.reasons[0] == "21 queued jobs foreseen to take 520 s, 30 s of that within 10.0 s -> 4 slots"


def test_running_jobs_count_as_long_as_they_are_foreseen_to_go_on() -> None:
    takes = around(math.log(100.0), 0.01, "")
    kinds = {"train": KindLoad(0, 0, 4, 0.0, lately=takes)}
    memory = Memory(1000.0, {"train": 4}, peaks=((1000.0, 0),))
    for elapsed_s, slots in ((10.0, 4), (98.0, 3)):
        seen = (Running("train", elapsed_s, takes),) * 4
        load = Load(1001.0, kinds, running=4, seen=seen, drainers=0, slots=4, busy=0)
        assert decide(TARGET, load, memory)[0].slots == slots, "a step down takes a quarter"


@pytest.mark.slow
def test_what_is_foreseen_costs_no_job_its_time_and_saves_slots() -> None:
    kinds = {
        "evaluate": loads.Kind(0.4, 20.0, 0.3, sizes=(0.2, 0.8, 2.0)),
        "infer": loads.Kind(0.3, 60.0, 0.3, sizes=(0.1, 0.4, 2.5)),
        "train": loads.Kind(0.3, 540.0, 0.3, sizes=(0.05, 0.25, 2.7)),
    }
    fleet = Fleet(nodes=100)
    target = Target(0, fleet.most, 60.0, 120.0, fleet.node_start_s)
    jobs = loads.diurnal(700, length_s=7_200.0, kinds=kinds)
    before = simulate(jobs, fleet, rules.stoker_by_means(target))
    after = simulate(jobs, fleet, rules.stoker(target))
    assert after.within(60.0) >= before.within(60.0)
    assert after.slot_s < before.slot_s
