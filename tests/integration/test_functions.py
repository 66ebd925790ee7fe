"""Functions of an author's package as jobs, on a real worker: what every other kind may rely on holds for them."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import redis
from shop import jobs as shop

import stoker
from stoker.events import Epoch, JobState, Log, Progress
from stoker.local import redis_url_of
from stoker.models.store import Store
from stoker.settings import Settings
from stoker_workers import Run

from .. import commands
from ..conftest import PATIENCE_S, Eventually


def value_of(result: object) -> object:
    assert isinstance(result, stoker.RunResult)
    return result.value


@pytest.fixture(autouse=True)
def _nothing_is_left(stack: Settings, eventually: Eventually) -> Iterator[None]:
    yield
    with redis.Redis.from_url(redis_url_of(stack)) as server:
        eventually(lambda: not list(server.scan_iter("stoker:children:*")))


def test_a_function_is_submitted_like_a_call(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_REDIS_URL", redis_url_of(stack))
    job = shop.train_ranker.submit(weeks=4, epochs=3)

    result = job.result(timeout=PATIENCE_S)

    assert isinstance(result, stoker.RunResult)
    run = Run.local(stack.home / "same", seed=result.seed)
    assert result.value == {**shop.train_ranker(run, weeks=4, epochs=3)}
    assert set(result.files) == {"ranker"}
    Store(stack.store).verify(result.files["ranker"])
    events = list(job.events())
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [1, 2, 3]
    assert job.status().tags == {"team": "ranking"}


def test_a_function_that_was_killed_goes_on_from_its_checkpoint(client: stoker.Client, tmp_path: Path) -> None:
    arguments = {"weeks": 4, "epochs": 8}
    undisturbed = shop.train_ranker(Run.local(tmp_path, seed=7), weeks=4, epochs=8)
    job = client.submit(stoker.Run("shop.jobs:train_ranker", {**arguments, "pause_s": 0.5}, seed=7))
    next(event for event in job.events() if event.type == "checkpoint")
    [worker] = client.workers()
    runners = [child for slot in psutil.Process(worker.pid).children() for child in slot.children()]

    max(runners, key=psutil.Process.create_time).kill()

    value = value_of(job.result(timeout=PATIENCE_S))
    assert isinstance(value, dict)
    assert job.status().attempt == 2
    assert 0 < value["first"] < 8
    np.testing.assert_array_equal(value["weights"], undisturbed["weights"])
    assert any(isinstance(event, Log) and event.line.startswith("goes on after") for event in job.events())


def test_functions_of_scikit_learn_are_children_of_a_function(client: stoker.Client) -> None:
    job = client.submit(stoker.Run("shop.jobs:best_forest", {"depths": [1, 4]}))

    assert value_of(job.result(timeout=PATIENCE_S)) in (1, 4)

    children = client.jobs(parent=job.id)
    assert [child.state for child in children] == [JobState.SUCCEEDED] * 2
    assert job.status().attempt == 2
    for child in children:
        forest = client.job(child.id).result(timeout=PATIENCE_S)
        assert isinstance(forest, stoker.RunResult)
        assert forest.value["accuracy"] > 0.7


def test_a_model_that_a_function_has_trained_is_served_and_evaluated(client: stoker.Client) -> None:
    training = stoker.Run("shop.jobs:train_digits", {"epochs": 4}, seed=1)
    job, evaluated = client.submit_many(
        [training, stoker.Evaluate(model="#0", data="sample://digits", bootstrap=100, noise=())]
    )

    result = job.result(timeout=PATIENCE_S)

    assert isinstance(result, stoker.RunResult)
    [ref] = result.models
    version = client.model(ref)
    assert (version.name, version.job, version.signature.task) == ("shop-digits", job.id, "multiclass")
    assert version.metrics == result.value
    assert any(isinstance(event, Log) and "taken for a model of multiclass" in event.line for event in job.events())
    assert any(isinstance(event, Progress) and event.stage == "training" for event in job.events())
    [answer] = client.predict(ref, np.zeros((1, 64), np.float32), timeout=PATIENCE_S)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assessed = evaluated.result(timeout=PATIENCE_S)
    assert isinstance(assessed, stoker.EvaluateResult)
    assert assessed.metrics["accuracy"] > 0.7


def test_a_plain_function_needs_nothing_of_ours(client: stoker.Client) -> None:
    jobs = client.submit_many([stoker.Run("shop.jobs:tidy", {"what": ["b", "a"]})] * 2)
    assert [value_of(job.result(timeout=PATIENCE_S)) for job in jobs] == ["a, b"] * 2


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (stoker.Run("shop.jobs:os"), "no function"),
        pytest.param(stoker.Run("shop.jobs:getpid"), "no function", marks=pytest.mark.slow),
        (stoker.Run("shop.jobs:forget_all"), "which shop.jobs only uses"),
        pytest.param(stoker.Run("shop.jobs:_hidden"), "does not run the function", marks=pytest.mark.slow),
        pytest.param(stoker.Run("shop.jobs:nowhere"), "cannot be imported", marks=pytest.mark.slow),
        (stoker.Run("shop.jobs:tidy"), "what is missing"),
        pytest.param(stoker.Run("shop.jobs:tidy", {"what": [1]}), "valid string", marks=pytest.mark.slow),
        (stoker.Run("shop.jobs:careless", {"how": "object"}), "object is no plain data"),
        pytest.param(
            stoker.Run("shop.jobs:careless", {"how": "nan"}), "no number that JSON can hold", marks=pytest.mark.slow
        ),
        (stoker.Run("shop.jobs:careless", {"how": "large"}), "write it to a file"),
        (stoker.Run("shop.jobs:careless", {"how": "exit"}), "sys.exit"),
        (stoker.Run("shop.jobs:careless", {"how": "key"}), "KeyError: 'key'"),
    ],
    ids=lambda each: each.function.partition(":")[2] if isinstance(each, stoker.Run) else "",
)
def test_a_job_fails_by_its_own_error(client: stoker.Client, spec: stoker.Run, told: str) -> None:
    with pytest.raises(stoker.JobFailed, match=told):
        client.submit(spec).result(timeout=PATIENCE_S)


def test_an_error_of_a_function_is_told_with_its_place(stack: Settings, client: stoker.Client) -> None:
    job = client.submit(stoker.Run("shop.jobs:careless", {"how": "key"}))
    assert job.wait(timeout=PATIENCE_S) is JobState.FAILED
    first, place, *_, last = [event.line for event in job.events() if isinstance(event, Log)]
    assert (first, last) == ("Traceback (most recent call last):", "KeyError: 'key'")
    assert re.search(r"shop/jobs\.py\W+line \d+, in careless", place)
    listed = commands.run("jobs", "--kind", "run", env={"STOKER_REDIS_URL": redis_url_of(stack)}).stdout
    assert re.search(rf"{job.id[:8]} +run +shop\.jobs:careless", listed), "it is told which function a job runs"


def test_a_function_that_nobody_allows_waits_for_one_who_does(client: stoker.Client, eventually: Eventually) -> None:
    job = client.submit(stoker.Run("os:system", {"command": "true"}))
    eventually(lambda: "os:system" in (job.status().reason or ""))
    assert not job.status().state.final
    job.cancel()
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED


def test_a_function_is_cancelled_at_its_next_look(client: stoker.Client, eventually: Eventually) -> None:
    job = client.submit(stoker.Run("shop.jobs:train_ranker", {"weeks": 2, "epochs": 100_000, "pause_s": 0.05}))
    eventually(lambda: job.status().progress)
    job.cancel()
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED


def test_a_function_that_kills_its_worker_dies_alone(client: stoker.Client, tmp_path: Path) -> None:
    doomed = client.submit(stoker.Run("shop.jobs:doomed", {"folder": str(tmp_path)}, max_attempts=2))
    other = client.submit(stoker.Run("shop.jobs:tidy", {"what": []}))
    assert value_of(other.result(timeout=PATIENCE_S)) == ""
    assert doomed.wait(timeout=PATIENCE_S) is JobState.DEAD
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_a_function_that_does_not_look_is_killed(client: stoker.Client, tmp_path: Path, eventually: Eventually) -> None:
    job = client.submit(stoker.Run("shop.jobs:stubborn", {"folder": str(tmp_path)}))
    eventually(lambda: list(tmp_path.iterdir()))
    [pid] = [int(path.name) for path in tmp_path.iterdir()]
    job.cancel()
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
    eventually(lambda: not psutil.pid_exists(pid))
