"""What finished jobs tell of one to come."""

import math
import random
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

import stoker
from stoker.foresight.course import Fleet
from stoker.foresight.estimates import Estimate, Example, Shown, around
from stoker.foresight.look import JobLook, LineLook, Look, RuleLook
from stoker.foresight.memory import memory_need
from stoker.foresight.outlook import Foreseen, estimates, foresee
from stoker.kinds import kind_of
from stoker.kinds.likeness import Likeness, likeness

SAME = Likeness(same="s", subject="o")


def example(seconds: float, job: Likeness = SAME) -> Example:
    return Example(likeness=job, ms=1000 * seconds)


def drawn(count: int, spread: float, middle: float, random: random.Random) -> Iterator[Example]:
    for _ in range(count):
        yield example(math.exp(random.gauss(math.log(middle), spread)))


@pytest.mark.parametrize("count", [4, 10, 30, 60])
def test_the_bounds_of_an_estimate_hold_nine_of_ten_jobs(count: int) -> None:
    dice = random.Random(count)
    hits = 0
    for _ in range(300):
        middle, spread = math.exp(dice.gauss(3, 1)), dice.choice((0.1, 0.3, 0.8))
        *known, one = drawn(count + 1, spread, middle, dice)
        found = Shown(known, 20.0, "train").estimate(SAME)
        hits += found.quantile(0.05) <= one.ms / 1000 <= found.quantile(0.95)
    assert 0.85 <= hits / 300 <= 0.95


def test_where_nothing_is_known_the_usual_time_stands_in_widely_and_says_so() -> None:
    found = Shown([], 60.0, "train").estimate(SAME)
    assert not found.is_known
    assert found.quantile(0.5) == pytest.approx(60.0)
    assert found.quantile(0.95) / found.quantile(0.05) > 30
    assert "a guess" in found.basis
    few = Shown([example(10.0)], 60.0, "train").estimate(SAME)
    assert few.quantile(0.5) == pytest.approx(10.0)
    assert few.basis == "only 1 finished job like it"


def test_time_grows_with_the_work_as_jobs_of_the_subject_have_shown() -> None:
    def with_epochs(epochs: int) -> Likeness:
        return Likeness(same=f"{epochs}", subject="o", work={"epochs": epochs})

    linear = [example(2.0 * epochs, with_epochs(epochs)) for epochs in (1, 2, 5, 10, 20)]
    assert Shown(linear, 60.0, "train").estimate(with_epochs(100)).quantile(0.5) == pytest.approx(200, rel=0.1)
    flat = [example(30.0, with_epochs(epochs)) for epochs in (1, 2, 5, 10, 20, 50, 100, 200)]
    assert Shown(flat, 60.0, "train").estimate(with_epochs(400)).quantile(0.5) == pytest.approx(30, rel=0.35)


def test_what_is_most_alike_counts_and_what_was_run_often_counts_once_for_others() -> None:
    often = [example(1.0, Likeness(same="a", subject="a"))] * 50
    others = [example(100.0, Likeness(same=name, subject=name)) for name in "bcde"]
    new = Shown([*often, *others], 60.0, "run").estimate(Likeness(same="x", subject="x"))
    assert new.quantile(0.5) > 30
    assert "none like it" in new.basis
    assert Shown([*often, *others], 60.0, "run").estimate(often[0].likeness).quantile(0.95) < 1.1


def test_jobs_alike_are_known_by_their_settings_and_not_by_when_and_where_they_run() -> None:
    def of(spec: stoker.Train) -> Likeness:
        return likeness(kind_of(spec), spec)

    spec = stoker.Train(model="m", data="sample://iris", architecture=stoker.MLP(hidden=[10, 5]))
    assert of(spec) == of(spec.model_copy(update={"seed": 3, "priority": "high", "tags": {"tenant": "red"}}))
    more = of(spec.model_copy(update={"epochs": 40}))
    assert (more.same != of(spec).same, more.subject) == (True, of(spec).subject)
    assert more.work == {"epochs": 40, "weights": 75}
    assert of(spec.model_copy(update={"data": "sample://wine"})).subject != of(spec).subject


def at(moment: float, **fields: object) -> JobLook:
    return JobLook(id="j", kind="train", queue="cpu.train", priority="normal", started_at=moment, **fields)


def test_the_pace_of_a_job_draws_its_estimate_the_more_the_further_it_is() -> None:
    examples = {"train": [example(seconds) for seconds in (20, 40, 80, 160)]}
    known = Likeness(same="s", subject="o").model_dump_json()
    widths: list[float] = []
    for share in (0.1, 0.5, 0.9):
        job = at(0.0, likeness=known, share=share, share_at=100_000 * share)
        found = estimates(examples, [job])["j"]
        assert 60 < found.quantile(0.5) < 130
        widths.append(found.quantile(0.95) / found.quantile(0.05))
    assert widths[2] < 1.1 < widths[1] < widths[0]


def test_a_job_that_runs_longer_than_any_is_still_to_end() -> None:
    known = around(math.log(10.0), 0.1, "ten seconds")
    assert known.drawn_above(1_000.0, random.Random(1)) > 1_000.0


def queue(*jobs: JobLook, window: int = 4, **fields: object) -> LineLook:
    return LineLook(queue="cpu.train", priority="normal", window=window, rung=jobs, **fields)


def job(name: str, tenant: str = "", priority: str = "normal", **fields: object) -> JobLook:
    known = {"likeness": SAME.model_dump_json(), "queued_at": 1e12} | fields
    return JobLook(id=name, kind="train", queue="cpu.train", priority=priority, tenant=tenant, **known)


TEN_SECONDS = {"train": [example(10.0)] * 8}


def found(look: Look, *ids: str, slots: int = 1, coming: tuple[Estimate, ...] = ()) -> dict[str, Foreseen]:
    return foresee(look, Fleet(slots, coming), TEN_SECONDS, ids)


def test_jobs_start_one_after_the_other_on_as_many_slots_as_there_are() -> None:
    look = Look(at=1e12, ageing_ms=1e6, lines=(queue(job("a"), job("b"), job("c")),))
    one = found(look, "a", "b", "c")
    assert [one[name].before for name in "abc"] == [0, 1, 2]
    assert one["c"].start is not None
    assert one["c"].start[1] == pytest.approx(20_000, rel=0.1)
    two = found(look, "c", slots=2)["c"]
    assert two.start is not None
    assert two.start[1] == pytest.approx(10_000, rel=0.1)


def test_the_tenant_with_the_fewest_seats_is_next() -> None:
    held = (tuple(job(f"red-{n}", "red") for n in range(5)), (job("blue", "blue"),))
    look = Look(at=1e12, ageing_ms=1e9, lines=(queue(job("red", "red"), window=1, held=held),))
    assert found(look, "blue")["blue"].before == 1


def test_nothing_is_said_of_a_job_whose_turn_never_comes() -> None:
    look = Look(at=1e12, ageing_ms=1e9, lines=(queue(job("a", "red")),), rules={"red": RuleLook(running=0)})
    assert found(look, "a")["a"].start is None
    assert found(Look(at=1e12, ageing_ms=1e9, lines=(queue(job("a")),)), "a", slots=0)["a"].start is None
    paused = Look(at=1e12, ageing_ms=1e9, lines=(queue(job("a"), paused=True),))
    assert found(paused, "a")["a"].start is None


def test_a_fleet_that_is_asked_for_starts_jobs_once_it_is_there() -> None:
    look = Look(at=1e12, ageing_ms=1e9, lines=(queue(job("a")),))
    start = found(look, "a", slots=0, coming=(around(math.log(5_000.0), 0.2, "five seconds"),))["a"].start
    assert start is not None
    assert 1_000 < start[0] < start[1] < start[2] < 20_000


def test_what_comes_meanwhile_goes_before_jobs_of_a_lower_priority() -> None:
    low = LineLook(queue="cpu.train", priority="low", window=4, rung=(job("low", priority="low"),))
    running = (job("now", started_at=1e12 - 1000),)
    quiet = Look(at=1e12, ageing_ms=1e9, lines=(low,), running=running)
    ended = tuple(job(f"e{n}", priority="high", submitted_at=1e12 - 5_000 * n) for n in range(1, 20))
    busy = quiet.model_copy(update={"ended": ended, "since": 1e12 - 100_000})
    alone, beside = found(quiet, "low")["low"].start, found(busy, "low")["low"].start
    assert alone is not None
    # More jobs come than can be run: some courses never come to it.
    assert beside is None or beside[1] > 1.3 * alone[1]


def used(mib: int, job: Likeness = SAME) -> Example:
    return Example(likeness=job, ms=1000, peak_bytes=mib << 20)


def test_memory_is_foreseen_from_jobs_alike_with_a_margin_and_from_few_not_at_all() -> None:
    assert memory_need([used(400)] * 3, SAME) is None
    assert memory_need([used(400)] * 3 + [used(0)], SAME) is None, "one that was not looked at shows nothing"
    need = memory_need([used(mib) for mib in (400, 410, 390, 405)], SAME)
    assert need
    assert 450 << 20 < need.bytes < 600 << 20
    assert need.basis == "4 jobs with the same settings"
    assert memory_need([used(400, Likeness(same="x", subject="x"))] * 9, SAME) is None, "of another subject"


def test_memory_of_longer_trainings_is_that_of_shorter_ones_and_of_larger_networks_unknown() -> None:
    def of(epochs: int, weights: int) -> Likeness:
        return Likeness(same=f"{epochs} {weights}", subject="o", work={"epochs": epochs, "weights": weights})

    known = [used(400 + n, of(epochs, 100)) for n, epochs in enumerate((1, 2, 5, 10, 20, 50))]
    need = memory_need(known, of(1_000, 100))
    assert need
    assert need.bytes < 600 << 20
    assert memory_need(known, of(1, 100_000)) is None


def test_a_mean_counts_so_much_of_the_quantity_at_most_and_what_is_left_of_it() -> None:
    sure = around(math.log(10.0), 0.001, "")
    assert sure.mean_within(math.inf) == pytest.approx(10, rel=0.01)
    assert sure.mean_within(4.0) == 4.0
    assert sure.mean_within(math.inf, above=7.0) == pytest.approx(3, rel=0.02)
    assert sure.mean_within(math.inf, above=50.0) == 50.0, "as far again"
    assert sure.mean_of(lambda value: value**2) == pytest.approx(100, rel=0.02)
    wide = around(math.log(10.0), 1.0, "", 100)
    assert wide.mean_within(math.inf) == pytest.approx(10 * math.exp(0.5), rel=0.1)
    assert wide.mean_within(10.0) < 10.0


def test_few_jobs_that_differ_widely_promise_none_a_whole_machine() -> None:
    need = memory_need([used(10), used(10), used(800), used(800)], SAME)
    assert need
    assert need.bytes == 1600 << 20


@pytest.mark.parametrize("number", ["0", "-1", "NaN", "Infinity", "1e999"])
def test_work_that_has_no_logarithm_is_no_likeness(number: str) -> None:
    with pytest.raises(ValidationError):
        Likeness.model_validate_json(f'{{"same": "s", "subject": "o", "work": {{"epochs": {number}}}}}')


def test_the_largest_numbers_of_work_are_foreseen_to_take_long_and_break_nothing() -> None:
    giant = Likeness(same="g", subject="o", work={"epochs": 1e308, "weights": 1e308})
    known = [example(1.0, Likeness(same=str(n), subject=str(n), work={"epochs": n, "weights": n})) for n in range(1, 9)]
    found = Shown(known, 1.0, "train").estimate(giant)
    assert found.mean > 1e300
    assert found.mean_within(60.0) == pytest.approx(60)
