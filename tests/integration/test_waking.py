"""Jobs that go on with each of their children, by the ledger's calls: no end is missed, and none is told twice."""

import json
import math
from dataclasses import replace

import pytest

import stoker
from stoker import JobState
from stoker.events import Progress
from stoker.kinds.child import ChildJob
from stoker.kinds.tuning.halving import Halving
from stoker.ledger import attempts, children, damage, dead_jobs, intake, pauses, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.attempts import Unsuccessful
from stoker.ledger.intake import NewJob
from stoker.ledger.presence import Worker
from stoker.ledger.replies import Refusal
from stoker.outages import Dependency, Outage
from stoker.redis.connection import Connection

from .test_ledger import claimed, new_job, result_of, state

SEARCH = stoker.Train(model="search", data="sample://digits", max_attempts=2)
TRIAL = stoker.Train(model="trial", data="sample://iris", max_attempts=1)
AWAY = Outage(of=Dependency.STORE, reason="the artifact store is read-only")
HALVING = Halving(rungs=(1, 3), keep=2)
UNSUCCESSFUL: dict[str, Unsuccessful] = {
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "PRUNED": JobState.PRUNED,
}


def begun(connection: Connection) -> Attempt:
    [job_id] = connection.run(intake.submit([NewJob(new_job().id, SEARCH, "cpu.train")]))
    return claimed(connection, job_id, f"search {job_id}")


def ask(connection: Connection, attempt: Attempt, count: int, halving: Halving | None = None) -> None:
    specs = [TRIAL.model_copy(update={"seed": n}) for n in range(count)]
    assert connection.run(children.await_children(attempt, SEARCH, specs, each=True, halving=halving))


def step(connection: Connection, attempt: Attempt) -> Attempt:
    """The next attempt at a search that has been woken."""
    return claimed(connection, attempt.job_id, f"step {attempt.number + 1}")


def seen(attempt: Attempt) -> list[ChildJob]:
    return [ChildJob.model_validate_json(child) for child in attempt.asked]


def end(connection: Connection, child_id: str, how: str = "SUCCEEDED") -> None:
    attempt = claimed(connection, child_id, f"trial {child_id}")
    match how:
        case "SUCCEEDED":
            connection.run(attempts.succeed(attempt, result_of("trial")))
        case "DEAD":
            connection.run(attempts.release(attempt, "lost", "killed"))
        case _:
            connection.run(attempts.fail(attempt, UNSUCCESSFUL[how], f"it is {how}"))


@pytest.mark.parametrize("how", ["SUCCEEDED", "FAILED", "CANCELLED", "DEAD", "PRUNED"])
def test_a_search_goes_on_with_each_child_however_it_ends(connection: Connection, how: str) -> None:
    first = begun(connection)
    ask(connection, first, 2)
    one, two = (f"{first.job_id}-1-{n}" for n in range(2))
    assert state(connection, first.job_id) is JobState.WAITING
    end(connection, two, how)
    assert state(connection, first.job_id) is JobState.QUEUED
    second = step(connection, first)
    assert [(child.id, child.number, child.state) for child in seen(second)] == [(one, 0, "QUEUED"), (two, 1, how)]
    assert [getattr(child.spec, "seed", None) for child in seen(second)] == [0, 1]
    ended = seen(second)[1]
    assert (ended.result == result_of("trial"), bool(ended.reason)) == (how == "SUCCEEDED", how != "SUCCEEDED")
    # The next ones are numbered on, and nothing is told again.
    ask(connection, second, 1)
    assert state(connection, first.job_id) is JobState.WAITING
    end(connection, f"{first.job_id}-2-2")
    end(connection, one)
    third = step(connection, second)
    assert [(child.number, child.state) for child in seen(third)] == [(0, "SUCCEEDED"), (1, how), (2, "SUCCEEDED")]


@pytest.mark.parametrize("when", ["running", "queued", "paused", "put off", "lost", "drained"])
def test_no_end_is_missed_whatever_the_search_does_meanwhile(connection: Connection, when: str) -> None:
    first = begun(connection)
    ask(connection, first, 3)
    one, two, _ = (f"{first.job_id}-1-{n}" for n in range(3))
    if when == "paused":
        connection.run(pauses.pause(first.job_id))
        connection.run(pauses.resume(one))
        end(connection, one)
        assert state(connection, first.job_id) is JobState.WAITING
        connection.run(pauses.resume(first.job_id))
    else:
        end(connection, one)
    if when == "queued":
        end(connection, two)
    elif when == "put off":
        connection.run(attempts.put_off(first.job_id, AWAY))
        end(connection, two)
        connection.client.zadd("stoker:due", {first.job_id: 1})
        connection.run(upkeep.wake())
    second = step(connection, first)
    if when in ("lost", "drained"):
        end(connection, two)
        connection.run(attempts.release(second, "lost" if when == "lost" else "drained", "so it is"))
        if when == "lost":
            assert state(connection, first.job_id) is JobState.WAITING
            connection.client.zadd("stoker:due", {first.job_id: 1})
            connection.run(upkeep.wake())
        second = step(connection, second)
    if when == "running":
        end(connection, two)
        ask(connection, second, 0)
        assert state(connection, first.job_id) is JobState.QUEUED
        second = step(connection, second)
    states = [child.state for child in seen(second)]
    assert states == ["SUCCEEDED", "QUEUED" if when == "paused" else "SUCCEEDED", "QUEUED"]
    ask(connection, second, 0)
    assert state(connection, first.job_id) is JobState.WAITING


def test_a_repeat_of_an_answer_that_was_lost_changes_nothing(connection: Connection) -> None:
    first = begun(connection)
    for _ in range(2):
        ask(connection, first, 1)
    end(connection, f"{first.job_id}-1-0")
    second = step(connection, first)
    assert [child.state for child in seen(second)] == ["SUCCEEDED"]
    ask(connection, second, 2)
    end(connection, f"{first.job_id}-2-1")
    # It comes late, and asks for nothing any more.
    ask(connection, second, 2)
    third = step(connection, second)
    end(connection, f"{first.job_id}-2-2")
    # Its claim is repeated: the end that has come since is told, and wakes it all the same.
    again = step(connection, second)
    assert [child.state for child in seen(again)] == ["SUCCEEDED"] * 3
    assert not connection.run(children.await_children(first, SEARCH, [TRIAL], each=True))
    ask(connection, third, 0)
    fourth = step(connection, third)
    assert len(seen(fourth)) == 3


def test_a_search_that_waits_for_none_says_so(connection: Connection) -> None:
    first = begun(connection)
    ask(connection, first, 0)
    status = connection.run(records.status(first.job_id))
    assert (status.state, status.reason) == ("FAILED", "it waits for one of its jobs to end, and all have ended")


@pytest.mark.parametrize("how", ["SUCCEEDED", "FAILED", "cancelled", "cancelled while it waits"])
def test_a_search_that_ends_leaves_no_trial_and_no_key(connection: Connection, how: str) -> None:
    first = begun(connection)
    ask(connection, first, 3, HALVING)
    running = claimed(connection, f"{first.job_id}-1-0", "trial")
    connection.run(children.reach(running, 1, 0.5, is_last=False))
    end(connection, f"{first.job_id}-1-1")
    second = step(connection, first)
    if how == "SUCCEEDED":
        connection.run(attempts.succeed(second, result_of("search")))
    elif how == "FAILED":
        connection.run(attempts.fail(second, JobState.FAILED, "it is"))
    elif how == "cancelled":
        connection.run(records.cancel(first.job_id))
        ask(connection, second, 5)
    else:
        ask(connection, second, 0)
        connection.run(records.cancel(first.job_id))
    assert state(connection, first.job_id) is JobState(how.split(maxsplit=1)[0].upper())
    assert state(connection, f"{first.job_id}-1-2") is JobState.CANCELLED
    assert connection.run(attempts.report(running, 15)) == "cancel"
    assert connection.run(children.reach(running, 3, 0.5, is_last=False)) is None
    connection.run(attempts.fail(running, JobState.CANCELLED, "cancelled while it ran"))
    client = connection.client
    assert not [key for what in ("children", "reached") for key in client.scan_iter(f"stoker:{what}:*")]
    assert not connection.run(damage.repair(keys=100_000)).damages


def test_a_dead_search_that_is_requeued_has_the_trials_that_have_ended(connection: Connection) -> None:
    first = begun(connection)
    ask(connection, first, 4, HALVING)
    good, bad, running, _ = (f"{first.job_id}-1-{n}" for n in range(4))
    attempt = claimed(connection, running, "trial")
    connection.run(children.reach(attempt, 1, 0.1, is_last=False))
    end(connection, good)
    end(connection, bad, "FAILED")
    second = step(connection, first)
    connection.run(attempts.release(second, "lost", "killed"))
    connection.client.zadd("stoker:due", {first.job_id: 1})
    connection.run(upkeep.wake())
    connection.run(attempts.release(step(connection, second), "lost", "killed"))
    assert state(connection, first.job_id) is JobState.DEAD
    assert connection.run(attempts.report(attempt, 15)) == "cancel"
    connection.run(dead_jobs.requeue(first.job_id))
    third = claimed(connection, first.job_id, "again")
    assert [(child.number, child.state) for child in seen(third)] == [(0, "SUCCEEDED"), (1, "FAILED")]
    # One that was running then ends in vain: it is asked for again, under its number.
    connection.run(attempts.succeed(attempt, result_of("trial")))
    ask(connection, third, 2, HALVING)
    assert state(connection, first.job_id) is JobState.WAITING
    assert state(connection, f"{first.job_id}-{third.number}-2") is JobState.QUEUED
    other = claimed(connection, f"{first.job_id}-{third.number}-2", "other")
    assert connection.run(children.reach(other, 1, 0.7, is_last=False)).values == (0.7,)  # type: ignore[union-attr]
    connection.run(records.cancel(first.job_id))


def test_a_lost_attempt_does_not_count_once_the_search_has_got_further(connection: Connection) -> None:
    attempt = begun(connection)
    ask(connection, attempt, 6)
    for n in range(6):
        end(connection, f"{attempt.job_id}-1-{n}")
        lost = step(connection, attempt)
        connection.run(attempts.release(lost, "lost", "killed"))
        connection.client.zadd("stoker:due", {attempt.job_id: 1})
        connection.run(upkeep.wake())
        last, attempt = attempt, claimed(connection, attempt.job_id, f"after {n}")
        assert attempt.number == last.number + 2
        if n < 5:
            ask(connection, attempt, 0)
    assert [child.state for child in seen(attempt)] == ["SUCCEEDED"] * 6


def test_hundreds_of_steps_leave_nothing_that_grows(connection: Connection) -> None:
    attempt = begun(connection)
    ask(connection, attempt, 2)
    client = connection.client

    def sizes() -> list[int]:
        return [client.xlen(f"stoker:events:{attempt.job_id}"), client.llen(f"stoker:history:{attempt.job_id}")]

    before: list[int] = []
    for n in range(60):
        child = next((child.id for child in seen(attempt) if child.state == "QUEUED"), f"{attempt.job_id}-1-0")
        end(connection, child, ["SUCCEEDED", "FAILED", "PRUNED", "DEAD"][n % 4])
        attempt = step(connection, attempt)
        connection.run(attempts.report(attempt, 15, [Progress(stage="trials", done=n, total=60, unit="trials")]))
        ask(connection, attempt, 1)
        if n == 3:
            before = sizes()
    assert sizes() == before
    status = connection.run(records.status(attempt.job_id))
    assert status.progress is not None
    assert isinstance(status.progress, Progress)
    assert status.progress.done == 59
    # What a search needs of its children outlives their records.
    connection.run(upkeep.expire(0, 0))
    end(connection, next(child.id for child in seen(attempt) if child.state == "QUEUED"))
    assert [child.number for child in seen(step(connection, attempt))] == list(range(62))
    connection.run(records.cancel(attempt.job_id))


def test_a_trial_is_held_against_those_that_came_before_it_and_nothing_else(connection: Connection) -> None:
    first = begun(connection)
    ask(connection, first, 3, HALVING)
    one, two, three = (claimed(connection, f"{first.job_id}-1-{n}", f"trial {n}") for n in range(3))
    assert Halving.model_validate_json(one.halving) == HALVING
    assert connection.run(children.reached(one)) is None
    standing = connection.run(children.reach(one, 1, 0.5, is_last=False))
    assert standing == children.Standing(1, 0.5, (0.5,), was_last=False)
    second = connection.run(children.reach(two, 1, 0.25, is_last=False))
    assert second is not None
    assert sorted(second.values) == [0.25, 0.5]
    # Whoever judges the first again, after a loss or because it passes the rung once more, sees what was there then.
    assert connection.run(children.reach(one, 1, 9.0, is_last=True)) == standing
    assert connection.run(children.reached(one)) == standing
    strange = connection.run(children.reach(three, 3, math.nan, is_last=True))
    assert strange is not None
    assert math.isnan(strange.own)
    assert strange.was_last
    # Another attempt at it, and one that has lost it.
    other = replace(one, owner="nobody")
    assert connection.run(children.reach(other, 3, 0.1, is_last=False)) is None
    connection.run(attempts.fail(one, JobState.PRUNED, "pruned at epoch 1: val_loss 0.5"))
    attempt = step(connection, first)
    reached = dict(attempt.reached)
    assert reached.keys() == {b"1:0", b"1:1", b"3:2"}
    assert [child.state for child in seen(attempt)] == ["PRUNED", "RUNNING", "RUNNING"]
    assert seen(attempt)[1].run_s >= 0
    connection.run(records.cancel(first.job_id))


def test_a_pruned_job_says_so_everywhere(connection: Connection, redis_url: str) -> None:
    first = begun(connection)
    ask(connection, first, 1, HALVING)
    child = f"{first.job_id}-1-0"
    end(connection, child, "PRUNED")
    with stoker.Client(redis_url) as client:
        job = client.job(child)
        with pytest.raises(stoker.JobPruned, match="it is PRUNED"):
            job.result(timeout=5)
        assert job.wait(timeout=5).final
        assert [status.id for status in client.jobs(state="PRUNED", parent=first.job_id)] == [child]
        assert str(list(job.events())[-1].words()) == "PRUNED: it is PRUNED"
        with pytest.raises(stoker.InvalidJob, match="was pruned"):
            client.submit(TRIAL.model_copy(update={"after": (child,)}))
        retried = job.retry()
        assert retried.status().resubmits == child
    meta = json.loads(connection.client.get(f"celery-task-meta-{child}") or b"")
    assert (meta["status"], meta["result"]["exc_type"]) == ("REVOKED", "JobPruned")
    connection.run(records.cancel(first.job_id))


def test_a_child_that_wants_gpu_memory_goes_to_a_gpu(connection: Connection) -> None:
    first = begun(connection)
    specs = [TRIAL.model_copy(update={"gpu_memory": wanted}) for wanted in (1 << 30, None)]
    assert connection.run(children.await_children(first, SEARCH, specs, each=True))
    queues = [connection.run(records.status(f"{first.job_id}-1-{n}")).queue for n in range(2)]
    assert queues == ["gpu.train", "cpu.train"]
    connection.run(records.cancel(first.job_id))


def test_an_older_worker_takes_no_trial(connection: Connection) -> None:
    first = begun(connection)
    ask(connection, first, 1)
    older = Worker.model_validate(
        {"name": "older", "node": "n", "device": "cpu", "queues": ("cpu.train",), "kinds": ("train",), "release": 0}
        | {"slots": 1, "most_slots": 1, "host": "h", "pid": 1}
    )
    taken = connection.run(attempts.claim(f"{first.job_id}-1-0", "it", "older", 15, older))
    assert taken is Refusal.UNKNOWN
    connection.run(records.cancel(first.job_id))
