"""Searches on a real worker: a training is pruned, and what asked for it goes on; whoever is killed changes nothing."""

import os
import signal
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import psutil
import pytest
import redis

import stoker
from stoker.events import Epoch, JobState
from stoker.kinds.tuning.halving import Halving
from stoker.ledger import attempts, children
from stoker.ledger.attempt import Attempt, read_attempt
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.attempt.messages import Done, Failed, Pruned
from stoker_workers.attempt.preparation import _asked, _slots_for_children
from stoker_workers.attempt.trial import Trial

from ..conftest import PATIENCE_S, Eventually
from .searching import HALVING
from .test_ledger import claimed, result_of
from .test_waking import ask, begun


def test_a_training_that_another_did_better_than_is_pruned_and_wakes_who_asked_for_it(
    stack: Settings, client: stoker.Client
) -> None:
    job = client.submit(stoker.Run("searching:pair"))

    result = job.result(timeout=PATIENCE_S)

    assert isinstance(result, stoker.RunResult)
    good, bad = result.value
    assert (good[0], bad[0]) == ("SUCCEEDED", "PRUNED")
    assert bad[1].startswith("pruned at epoch 2: val_loss ")
    assert "of 2 trials the best half have at most" in bad[1]
    assert good[2].keys() == bad[2].keys() == {"2"}
    assert good[2]["2"] < bad[2]["2"]
    [second, _] = client.jobs(parent=job.id)
    pruned = client.job(second.id)
    with pytest.raises(stoker.JobPruned, match="pruned at epoch 2"):
        pruned.result(timeout=PATIENCE_S)
    # It was stopped at once: it had 100,000 epochs to go.
    assert max(event.epoch for event in pruned.events() if isinstance(event, Epoch)) < 1000
    assert [version.name for version in client.models() if version.name.startswith("pair")] == ["pair-0"]
    with redis.Redis.from_url(redis_url_of(stack), decode_responses=True) as server:
        assert not server.exists(f"stoker:children:{job.id}", f"stoker:reached:{job.id}")
        assert "checkpoints" not in server.hgetall(f"stoker:job:{second.id}")


def test_a_search_ends_the_same_whoever_is_killed(client: stoker.Client, eventually: Eventually) -> None:
    job = client.submit(stoker.Run("searching:search", {"trials": 10, "pause_s": 0.05}))
    [worker] = client.workers()

    def has_asked_for(trials: int) -> bool:
        return len(client.jobs(parent=job.id)) >= trials

    for trials in (2, 5):
        eventually(partial(has_asked_for, trials))
        # A slot with all that it runs: the search itself, a trial, or nothing.
        slot, *_ = psutil.Process(worker.pid).children()
        for runner in slot.children():
            os.kill(runner.pid, signal.SIGKILL)
        slot.kill()

    result = job.result(timeout=2 * PATIENCE_S)
    assert isinstance(result, stoker.RunResult)
    ends = result.value

    assert [number for number, _, _ in ends] == list(range(10))
    # Each was asked for once, and has one end.
    asked = client.jobs(parent=job.id)
    assert sorted(int(child.id.rpartition("-")[2]) for child in asked) == list(range(10))
    assert {state for _, state, _ in ends} <= {"SUCCEEDED", "FAILED", "PRUNED"}
    assert ends[0][1] == "SUCCEEDED"
    events = [event.type for event in job.events()]
    assert events.count("queued") <= 1 + 2


@pytest.fixture
def connection(redis_url: str) -> Connection:
    return Connection.open(Settings(), redis_url)


def epoch(number: int, value: float, epochs: int = 9) -> Epoch:
    return Epoch(epoch=number, epochs=epochs, metrics={"val_loss": value})


def test_a_verdict_stands_however_often_it_is_found(connection: Connection) -> None:
    search = begun(connection)
    ask(connection, search, 3, HALVING)
    slot = SimpleNamespace(connection=connection, insist=connection.run)
    first, second, third = (claimed(connection, f"{search.job_id}-1-{n}", f"trial {n}") for n in range(3))

    def judged(attempt: Attempt, *epochs: Epoch, end: object = None) -> object:
        trial = Trial(slot, attempt, HALVING)  # type: ignore[arg-type]
        for each in epochs:
            trial.emitted(each)
        return trial.looked_at(end, 1)  # type: ignore[arg-type]

    assert judged(first, epoch(1, 0.5)) is None
    verdict = judged(second, epoch(1, 0.9))
    assert verdict == Pruned(reason="pruned at epoch 1: val_loss 0.9, of 2 trials the best half have at most 0.5")
    # Its slot was killed before it could write that. Others have come since that are worse.
    for n, value in enumerate((1.0, 2.0)):
        connection.run(children.reach(claimed_again(connection, third), n + 1, value, is_last=False))
    connection.run(attempts.release(second, "drained", "killed"))
    again = claimed(connection, second.job_id, "again")
    assert judged(again) == verdict
    assert judged(again, epoch(1, 0.1)) == verdict
    # What it had done by then does not count; that it has failed does.
    done = Done(result=result_of(), effects=())
    assert judged(again, end=done) == verdict
    failed = Failed(reason="bad data", traceback="")
    assert judged(again, end=failed) == failed
    # An epoch that is the last one judges nobody.
    assert judged(first, epoch(2, 99.0, epochs=2), end=done) == done


def claimed_again(connection: Connection, attempt: Attempt) -> Attempt:
    return claimed(connection, attempt.job_id, attempt.owner)


def test_a_metric_that_is_not_there_fails_the_trial_and_says_what_is(connection: Connection) -> None:
    search = begun(connection)
    halving = Halving(monitor="val_auc", mode="max", rungs=(1,), keep=2)
    ask(connection, search, 1, halving)
    attempt = claimed(connection, f"{search.job_id}-1-0", "trial")
    slot = SimpleNamespace(connection=connection, insist=connection.run)
    trial = Trial(slot, attempt, halving)  # type: ignore[arg-type]
    trial.emitted(epoch(1, 0.5))
    ended = trial.looked_at(None, 1)
    assert isinstance(ended, Failed)
    assert ended.reason == "epoch 1 has no metric 'val_auc' to judge it by; it has: val_loss"
    assert connection.run(attempts.fail(attempt, JobState.PRUNED, "x")) == "ok"


@pytest.mark.parametrize(("place", "entry"), [(b"1:0", b""), (b"1:0", b"x"), (b"1", b"0.5 1 0"), (b"a:b", b"0.5 1 0")])
def test_what_something_else_has_written_to_the_rungs_fails_the_search_and_is_named(place: bytes, entry: bytes) -> None:
    attempt = replace(read_attempt("search", "owner", {}), reached=((place, entry),))
    with pytest.raises(stoker.InvalidJob, match="stoker:reached:search"):
        _asked(attempt)


@pytest.mark.parametrize(
    ("fields", "slots"), [({}, 2), ({"device": "cpu"}, 2), ({"device": "gpu"}, 1), ({"gpu_memory": 1 << 30}, 1)]
)
def test_a_tuning_counts_the_slots_of_the_device_of_its_trials(fields: dict[str, object], slots: int) -> None:
    job = stoker.Train(model="m", data="sample://iris").model_copy(update=fields)
    workers = [SimpleNamespace(device=device, slots=count) for device, count in (("cpu", 2), ("gpu", 1))]
    slot = SimpleNamespace(device="cpu", insist=lambda _: workers)
    spec = stoker.Tune(job=job, space={"batch_size": [16, 32]}, goal="max val_accuracy")
    assert _slots_for_children(slot, spec) == slots  # type: ignore[arg-type]
