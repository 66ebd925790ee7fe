"""When schedules start: intervals, cron, time zones, clocks that are put forward and back, and what was missed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stoker.errors import InvalidJob
from stoker.schedules.schedule import JobSchedule, ScheduleState, begun
from stoker.schedules.starting import job_ids, next_step
from stoker.schedules.times import parse_times, some_after

START = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE_SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)
BEFORE_AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)


def times(when: str, zone: str, after: datetime, count: int) -> list[str]:
    found = parse_times(when, zone, START)
    assert found is not None
    return [f"{time:%d %H:%M}" for time in some_after(found, after, count)]


def schedule(when: str = "* * * * *", **fields: object) -> JobSchedule:
    jobs = ({"kind": "train", "model": "m", "data": "sample://iris"},)
    return JobSchedule.model_validate({"name": "s", "when": when, "jobs": jobs, "created_at": START, **fields})


@pytest.mark.parametrize(
    ("when", "after", "expected"),
    [
        # On the day without 2:30 at 3:00 summer time, and on all others at 2:30.
        ("30 2 * * *", BEFORE_SPRING, ["29 01:00", "30 00:30", "31 00:30"]),
        # On the day with two of them at the first.
        ("30 2 * * *", BEFORE_AUTUMN, ["25 00:30", "26 01:30", "27 01:30"]),
        # Every hour of real time.
        ("0 * * * *", BEFORE_SPRING + timedelta(hours=12), ["29 01:00", "29 02:00", "29 03:00"]),
        ("*/30 * * * *", BEFORE_AUTUMN + timedelta(hours=11.9), ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
        # Any minute of an hour that clocks skip, and show twice.
        ("*/30 2 * * *", BEFORE_SPRING, ["30 00:00", "30 00:30"]),
        ("*/30 2 * * *", BEFORE_AUTUMN, ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "26 01:00"]),
        # Both in the hour that is skipped: one start.
        ("0,30 2 * * *", BEFORE_SPRING, ["29 01:00", "30 00:00"]),
        ("every 6h", BEFORE_SPRING, ["28 18:00", "29 00:00", "29 06:00"]),
    ],
)
def test_what_starts_when_clocks_are_put_forward_and_back(when: str, after: datetime, expected: list[str]) -> None:
    assert times(when, "Europe/Berlin", after, len(expected)) == expected


def test_times_have_words_and_zones() -> None:
    assert times("daily", "America/New_York", START, 2) == ["01 05:00", "02 05:00"]
    assert times("@weekly", "UTC", START, 1) == times("0 0 * * MON", "UTC", START, 1) == ["05 00:00"]
    assert times("every 15 m", "UTC", START, 2) == ["01 00:15", "01 00:30"]
    assert schedule("on drift of digits").alarm == ("drift", "digits")
    assert schedule("rolled back of my-model").alarm == ("rolled back", "my-model")
    assert schedule().alarm is None


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("61 * * * *", "bad minute"),
        ("* * * *", "expected 5 fields, got 4"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("every 5s", "an interval is 10 s to 366 d"),
        ("tomorrow", "neither a time nor an alarm"),
    ],
)
def test_what_is_no_time_is_refused_and_says_how_to_write_one(when: str, why: str) -> None:
    with pytest.raises(InvalidJob, match=why):
        schedule(when)


def test_a_zone_that_there_is_not_is_refused() -> None:
    for zone in ("Europe/Atlantis", "Europe", "../etc/passwd", "", "/etc/passwd"):
        with pytest.raises(InvalidJob, match="there is no time zone"):
            schedule("daily", zone=zone)
    with pytest.raises(ValidationError):
        schedule(name="../x")


@given(
    when=st.sampled_from(["* * * * *", "30 2 * * *", "*/20 1-3 * * *", "0 0 31 * *", "every 7h", "15 2 * * SUN"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    after=st.integers(0, 3 * 365 * 24 * 60),
)
def test_times_go_forward_and_do_not_depend_on_where_one_looks_from(when: str, zone: str, after: int) -> None:
    found = parse_times(when, zone, START)
    assert found is not None
    listed = some_after(found, START + timedelta(minutes=after), 6)
    assert all(first < second for first, second in pairwise((START + timedelta(minutes=after), *listed)))
    assert some_after(found, listed[0], 5) == listed[1:]


def steps(schedule: JobSchedule, state: ScheduleState, now: datetime) -> tuple[list[datetime], ScheduleState]:
    """All starts that are due."""
    starts = []
    while step := next_step(schedule, state, now):
        state = step.state
        if step.starts_at:
            starts.append(step.starts_at)
    return starts, state


@pytest.mark.parametrize(
    ("catch_up", "late_s", "started", "skipped"),
    [("latest", 30, 1, 4), ("latest", 3599, 1, 4), ("none", 30, 1, 4), ("none", 61, 0, 5), ("all", 3599, 5, 0)],
)
def test_what_was_missed_starts_by_the_rule(catch_up: str, late_s: float, started: int, skipped: int) -> None:
    hourly = schedule("0 * * * *", catch_up=catch_up)
    now = START + timedelta(hours=5, seconds=late_s)

    starts, state = steps(hourly, begun(hourly, START, ""), now)

    assert (len(starts), state.skipped) == (started, skipped)
    assert starts == sorted(set(starts))
    assert state.next_at == START + timedelta(hours=6)
    assert started == 0 or starts[-1] == START + timedelta(hours=5)


def test_a_long_time_that_was_missed_is_bounded() -> None:
    minutely = schedule(catch_up="all")
    starts, state = steps(minutely, begun(minutely, START, ""), START + timedelta(days=10))
    assert len(starts) == 100
    assert len(starts) + state.skipped == 10 * 24 * 60
    assert state.next_at == START + timedelta(days=10, minutes=1)


def alarm(minute: int, what: str = "drift", model: str = "digits@3") -> SimpleNamespace:
    at = START + timedelta(minutes=minute)
    return SimpleNamespace(id=f"{minute:05d}-0", at=at, what=what, model=model, text=f"{what} of {model}")


def test_alarms_start_at_most_so_often() -> None:
    reaction = schedule("drift of digits", cool_down_s=3600, at_most=2)
    state, started = begun(reaction, START, ""), []
    alarms = [alarm(n * 30) for n in range(1, 100)] + [alarm(4000, "registered"), alarm(4001, model="digits2@1")]
    for each in sorted(alarms, key=lambda each: each.at):
        step = next_step(reaction, state, each.at, [each])
        assert step is not None
        state = step.state
        started += [each.at] if step.starts_at else []
    assert started[1] - started[0] == timedelta(hours=1)
    assert all(later - first >= timedelta(days=1) for first, later in zip(started, started[2:], strict=False))
    assert state.cursor == "04001-0"
    assert state.skipped == 99 - len(started)
    # Of many at once, one starts.
    step = next_step(reaction, begun(reaction, START, ""), START, [alarm(1, "registered"), alarm(2), alarm(3)])
    assert step is not None
    assert step.state.cursor == "00002-0"
    step = next_step(reaction, step.state, START, [alarm(3)])
    assert step is not None
    assert (step.starts_at, step.state.cursor, step.state.skipped) == (None, "00003-0", 1)


def test_two_alarms_of_one_moment_start_jobs_of_their_own() -> None:
    reaction = schedule("drift of digits", cool_down_s=0)
    state, ids = begun(reaction, START, ""), []
    twins = [alarm(1), SimpleNamespace(**vars(alarm(1)) | {"id": "00001-1"})]
    while twins:
        step = next_step(reaction, state, START, twins)
        assert step is not None
        assert step.starts_at is not None
        state, twins = step.state, twins[1:]
        ids += job_ids(reaction, step.starts_at, step.alarm)
    assert len(ids) == len(set(ids)) == 2


def test_a_start_has_ids_of_its_own() -> None:
    one, another = schedule(), schedule(created_at=START + timedelta(seconds=1))
    ids = [*job_ids(one, START), *job_ids(another, START), *job_ids(one, START + timedelta(minutes=1))]
    assert len(set(ids)) == 3
    assert job_ids(one, START) == ids[:1]


def test_what_a_newer_version_notes_is_kept() -> None:
    state = ScheduleState.model_validate_json('{"next_at": "2026-01-01T00:00:00Z", "novelty": [1]}')
    assert begun(schedule(), START, "", state).model_dump()["novelty"] == [1]
