"""For how long leases could not be renewed, as a controller's connection has seen it."""

from collections.abc import Callable

import pytest

from stoker.errors import Unavailable
from stoker.redis.calls import Call
from stoker.settings import Settings
from stoker_workers.controller.watched import Gaps, WatchedConnection


@pytest.mark.parametrize(
    ("since", "until", "seconds"),
    [(0, 100, 15), (0, 9, 0), (12, 18, 6), (10, 20, 10), (20, 40, 0), (15, 45, 10), (42, 43, 1), (46, 99, 0)],
)
def test_only_what_lies_in_gaps_counts(since: float, until: float, seconds: float) -> None:
    gaps = Gaps()
    for begin, end in ((10, 20), (40, 45)):
        gaps.begin(begin)
        gaps.begin(begin + 1)
        gaps.end(end)
        gaps.end(end + 1)
    assert gaps.within(since, until) == seconds


def test_a_gap_lasts_until_it_ends_and_overlaps_none_before() -> None:
    gaps = Gaps()
    gaps.begin(10)
    gaps.end(20)
    # A call that began before the end of the last and failed after it.
    gaps.begin(15)
    assert gaps.within(0, 30) == 20
    gaps.end(25)
    assert gaps.within(0, 30) == 15


def test_whole_gaps_overlap_none_before_and_none_that_has_begun() -> None:
    gaps = Gaps()
    gaps.add(10, 20)
    gaps.add(12, 15)
    gaps.add(15, 25)
    assert gaps.within(0, 100) == 15
    gaps.begin(30)
    gaps.add(35, 40)
    gaps.end(50)
    assert gaps.within(0, 100) == 35


def test_a_gap_begins_with_a_call_that_fails_and_ends_when_redis_takes_writes(
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    connection = WatchedConnection.open(Settings(), "redis://127.0.0.1:1")
    assert connection.away_s(100) == 0
    with pytest.raises(Unavailable):
        connection.run(Call(("PING",), bool), patience_s=0)
    eventually(lambda: connection.away_s(100) > 0.01)
    connection.takes_writes()
    away_s = connection.away_s(100)
    assert 0 < away_s == connection.away_s(100)
    connection.close()
