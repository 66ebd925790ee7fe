"""Samples of requests: kept while their Monitor lives, in bounds; taken once; labels each get their answer."""

import struct
import uuid

import pytest

from stoker.ledger import attempts, sampling, waits
from stoker.ledger.attempt import Attempt
from stoker.ledger.keys import key
from stoker.ledger.records import cancel
from stoker.ledger.sampling import Feedback, Sampling, Taken, Window
from stoker.redis.connection import Connection

from .test_model_keeping import run, submit

WANTED = Sampling(share=1.0, window=10, horizon_s=60.0, most_bytes=2000, most_answers=5)


def batch(rows: int, size: int = 0) -> bytes:
    return struct.pack("<I", rows) + bytes(size)


def take(connection: Connection, attempt: Attempt, tested: int = 0, ref: str = "digits@1") -> Window:
    window = connection.run(sampling.take(attempt, ref, WANTED, tested))
    assert window is not None
    return window


def state_of(connection: Connection, job: str) -> str:
    return str(connection.client.hget(key("job", job), "state").decode())  # type: ignore[union-attr]


def again(connection: Connection, job: str) -> Attempt:
    claimed = connection.run(attempts.claim(job, uuid.uuid4().hex, "worker", 60))
    assert isinstance(claimed, Attempt)
    return claimed


def test_a_window_wakes_its_job_and_is_tested_until_that_is_noted(connection: Connection) -> None:
    assert connection.run(sampling.wanted("digits")) is None
    attempt = run(connection, submit(connection))
    job = attempt.job_id
    assert not connection.run(sampling.keep(job, "digits@1", batch(1))), "nobody has begun to sample"
    assert take(connection, attempt) == Window()
    assert connection.run(sampling.wanted("digits")) == WANTED.model_copy(update={"job": job})
    connection.run(waits.wait(attempt, "requests"))
    for _ in range(4):
        assert connection.run(sampling.keep(job, "digits@1", batch(3)))
        connection.run(sampling.keep(job, "digits@2", batch(3)))
    assert state_of(connection, job) == "QUEUED"
    lost = again(connection, job)
    window = take(connection, lost)
    assert (len(window.batches), window.waiting, window.kept) == (4, 0, 12)
    assert take(connection, lost) == window, "an attempt that was lost leaves it to the next"
    connection.run(waits.wait(lost, "requests"))
    connection.run(waits.wake(job))
    assert take(connection, again(connection, job), tested=1).batches == ()
    assert connection.run(sampling.take(lost, "digits@1", WANTED, 1)) is None


def test_what_waits_is_bounded_in_rows_and_in_bytes(connection: Connection) -> None:
    attempt = run(connection, submit(connection))
    take(connection, attempt)
    for _ in range(100):
        connection.run(sampling.keep(attempt.job_id, "digits@1", batch(4)))
    window = take(connection, attempt)
    assert (window.kept, window.dropped, window.waiting) == (400, 360, 28)
    for _ in range(10):
        connection.run(sampling.keep(attempt.job_id, "digits@1", batch(1, 900)))
    assert sum(map(len, connection.client.lrange(key("samples", "digits@1"), 0, -1))) <= WANTED.most_bytes


def test_one_job_samples_a_model_and_all_goes_with_its_end(connection: Connection) -> None:
    attempt, other = run(connection, submit(connection)), run(connection, submit(connection))
    job = attempt.job_id
    take(connection, attempt)
    with pytest.raises(Taken, match=job):
        connection.run(sampling.take(other, "digits@1", WANTED, 0))
    for ref in ("digits@1", "digits@2"):
        connection.run(sampling.keep(job, ref, batch(20), {f"{ref}:1": "c:one"}))
    take(connection, attempt)
    connection.run(sampling.feedback("digits", [("digits@1:1", "two")]))
    connection.run(waits.wait(attempt, "requests"))
    connection.run(cancel(job))
    left = [name.decode() for name in connection.client.scan_iter("stoker:*")]
    assert not [name for name in left if name.startswith(("stoker:sampl", "stoker:answered", "stoker:outcomes"))]
    assert not connection.run(sampling.keep(job, "digits@1", batch(3)))
    take(connection, other)


def test_each_label_gets_its_answer(connection: Connection) -> None:
    def told(*labels: tuple[str, str]) -> list[Feedback]:
        return connection.run(sampling.feedback("digits", labels))

    assert told(("a", "one")) == [Feedback.UNWATCHED]
    attempt = run(connection, submit(connection))
    take(connection, attempt)
    answers = {"a": "c:one", "b": "c:two", "n": "n:2.5", "o": "c:old", "p": "c:past"}
    connection.run(sampling.keep(attempt.job_id, "digits@1", batch(1), answers))
    assert told(("a", "one"), ("a", "one"), ("a", "two"), ("b", "one"), ("n", "3"), ("n", "x"), ("z", "one")) == [
        Feedback.ACCEPTED, Feedback.DUPLICATE, Feedback.CONTRADICTORY, Feedback.ACCEPTED, Feedback.ACCEPTED,
        Feedback.CONTRADICTORY, Feedback.UNKNOWN,
    ]  # fmt: skip
    window = take(connection, attempt)
    assert (window.labels, window.outcomes) == (3, ("1", "0", "2.5 3"))
    answered = key("answered", "digits")
    connection.client.hset(answered, "o", connection.client.hget(answered, "o").replace(b"1", b"0", 1))  # type: ignore[union-attr,arg-type]
    assert told(("o", "old")) == [Feedback.LATE]
    connection.run(sampling.keep(attempt.job_id, "digits@1", batch(1), {"m": "n:1"}))
    assert told(("m", "much")) == [Feedback.UNLIKE]
    connection.run(sampling.keep(attempt.job_id, "digits@1", batch(1), {"several": "-"}))
    assert told(("several", "one")) == [Feedback.UNJUDGED]
    assert told(("a", "one")) == [Feedback.UNKNOWN], "of more answers than are kept, the oldest is forgotten"
    connection.client.zadd(key("answered_at", "digits"), {"p": 0}, xx=True)
    connection.run(sampling.keep(attempt.job_id, "digits@1", batch(1)))
    assert told(("p", "past")) == [Feedback.UNKNOWN]


def test_labels_count_as_tables_and_floats_have_them_and_what_is_no_number_does_not(connection: Connection) -> None:
    attempt = run(connection, submit(connection))
    take(connection, attempt)
    answers = {"a": "c:3", "b": "c:1.0", "c": "c:3", "n": "n:2.5"}
    connection.run(sampling.keep(attempt.job_id, "digits@1", batch(1), answers))
    labels = [("a", "3.0"), ("b", "1"), ("c", "3.5"), ("n", "nan"), ("n", "0x10"), ("n", "1e999"), ("n", "-3.0")]
    assert connection.run(sampling.feedback("digits", labels)) == [
        *[Feedback.ACCEPTED] * 3, *[Feedback.UNLIKE] * 3, Feedback.ACCEPTED,
    ]  # fmt: skip
    assert take(connection, attempt).outcomes == ("1", "1", "0", "2.5 -3.0")


def test_what_has_expired_or_lost_its_job_is_counted_no_more(connection: Connection) -> None:
    attempt = run(connection, submit(connection))
    take(connection, attempt)
    connection.run(sampling.keep(attempt.job_id, "digits@1", batch(9)))
    connection.client.delete(key("samples", "digits@1"))
    connection.run(sampling.keep(attempt.job_id, "digits@1", batch(9)))
    assert take(connection, attempt).waiting == 9
    connection.client.delete(key("job", attempt.job_id))
    assert not connection.run(sampling.keep(attempt.job_id, "digits@1", batch(9)))
    assert connection.run(sampling.wanted("digits")) is None
    assert not list(connection.client.scan_iter("stoker:sampl*"))
