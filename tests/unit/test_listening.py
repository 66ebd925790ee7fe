"""Who is told of what happens to jobs, and which streams are read for it."""

import pytest

from stoker.client.listening import Streams
from stoker.ledger import waiting
from stoker.ledger.waiting import News

JOB = "a-job"
EVENTS = f"stoker:events:{JOB}".encode()
FINISHED = {b"event": b'{"state":"SUCCEEDED","type":"finished"}'}


class Told:
    """A waiter."""

    def __init__(self) -> None:
        self.of: list[object] = []

    def done(self) -> bool:
        return bool(self.of)

    def set_result(self, result: object) -> None:
        self.of.append(result)

    def set_exception(self, exception: BaseException) -> None:
        self.of.append(exception)


def streams_read(streams: Streams[Told]) -> tuple[object, ...]:
    return streams.next_call(1.0).words


def test_who_waits_for_the_end_is_told_of_that_alone() -> None:
    streams, for_end, for_any = Streams[Told](), Told(), Told()
    streams.add(JOB, None, for_end, for_end=True)
    streams.add(JOB, None, for_any)

    assert list(streams.dispatch({JOB: News("5-0")})) == [(for_any, "5-0")]
    assert "5-0" in streams_read(streams)
    assert list(streams.dispatch({JOB: News("7-1", end="7-0")})) == [(for_end, "7-1")]


def test_the_stream_of_a_job_that_has_ended_is_read_no_longer() -> None:
    streams, waiter = Streams[Told](), Told()
    streams.add(JOB, None, waiter)
    assert list(streams.dispatch({JOB: News("5-0")}))
    assert EVENTS.decode() in streams_read(streams)

    streams.add(JOB, "5-0", waiter, for_end=True)
    assert list(streams.dispatch({JOB: News("7-0", end="7-0")}))
    assert EVENTS.decode() not in streams_read(streams)


def test_an_end_that_came_before_is_told_at_once_and_an_older_one_never() -> None:
    streams, first, second, third = Streams[Told](), Told(), Told(), Told()
    streams.add(JOB, "9-0", first)
    assert not list(streams.dispatch({JOB: News("7-0", end="7-0")}))

    assert not streams.add(JOB, "7-0", second, for_end=True)
    assert not second.of
    assert not streams.add(JOB, "6-0", third, for_end=True)
    assert third.of == ["7-0"]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([(b"1-0", {b"event": b'{"type":"queued"}'}), (b"2-0", FINISHED)], News("2-0", "2-0")),
        ([(b"2-0", FINISHED), (b"3-0", {b"event": b'{"type":"queued"}'})], News("3-0", "2-0")),
        ([(b"1-0", {b"event": b'{"type":"log","line":"finished"}'})], News("1-0")),
        ([(b"1-0", {b"event": b"finished"}), (b"2-0", {b"by": b"nobody"})], News("2-0")),
    ],
)
def test_news_say_whether_an_event_tells_of_the_end(entries: list[object], expected: News) -> None:
    call = waiting.news("client", "0-0", {JOB: "0-0"}, 1000)
    assert call.decode([[EVENTS, entries]]) == {JOB: expected}
