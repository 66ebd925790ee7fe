"""Searches for settings through the queue."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

import stoker
from stoker.cli import app
from stoker.events import Progress
from stoker.ledger import keys
from stoker.local import redis_url_of
from stoker.models.store import Store
from stoker.settings import Settings

from ..chaos.plain import Redis
from ..conftest import PATIENCE_S

SPACE = {"x": stoker.Float(-1, 1), "y": stoker.Choice(["a", "b", "c"])}


def of_function(**fields: Any) -> stoker.Tune:
    given = {"job": stoker.Run("shop.costs:cost"), "space": SPACE, "goal": "min cost", "finish": "none", "seed": 1}
    return stoker.Tune(**(given | fields))


def test_a_training_is_tuned_and_its_best_trial_registered(
    client: stoker.Client, stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = stoker.Tune(
        job=stoker.Train(model="tuned", data="sample://iris", epochs=3),
        space={"optimizer.learning_rate": stoker.Float(1e-4, 1e-1, log=True), "architecture.hidden": [[8], [16, 8]]},
        goal="max val_accuracy",
        trials=2,
        finish="same",
        alias="best",
        seed=1,
    )
    job = client.submit(spec)
    found = job.result(timeout=PATIENCE_S)
    assert found.model == "tuned@1"
    assert [version.ref for version in client.models() if version.name == "tuned"] == ["tuned@1"]
    version = client.model("tuned@best")
    assert version.metrics["val_accuracy"] == found.value, "the same training gives the same"
    assert version.tuned.startswith(f"trial {found.best} of {job.id}: optimizer.learning_rate=")
    children = client.jobs(parent=job.id)
    assert len(children) == 3
    assert version.job in {child.id for child in children}
    assert {trial.job for trial in found.trials} < {child.id for child in children}
    progress = job.status().progress
    assert isinstance(progress, Progress)
    monkeypatch.setenv("STOKER_REDIS_URL", redis_url_of(stack))
    monkeypatch.setenv("STOKER_STORE_URL", stack.store)
    shown = CliRunner().invoke(app, ["result", job.id])
    assert shown.exit_code == 0, shown.output
    assert f"val_accuracy {found.value:.4g} in trial {found.best} of 2" in shown.output
    assert "optimizer.learning_rate" in shown.output
    assert "study.journal" in shown.output
    store = Store(stack.store)
    assert "Tuning of tuned" in store.fetch(found.files["html"], stack.home).read_text()
    worse = spec.model_copy(update={"space": {"optimizer.learning_rate": stoker.Float(1e-9, 1e-8)}, "trials": 1})
    second = client.submit(worse).result(timeout=PATIENCE_S)
    assert (second.model, second.alias) == ("tuned@2", None)
    assert second.notes[0].startswith("By 'max accuracy', tuned@1 is chosen")
    assert client.model("tuned@best").ref == "tuned@1"


def test_many_trials_of_a_function(client: stoker.Client) -> None:
    found = client.submit(of_function(trials=12)).result(timeout=PATIENCE_S)
    assert found.counts["SUCCEEDED"] == 12
    assert len({json.dumps(trial.settings) for trial in found.trials}) == 12
    assert found.value == min(trial.value for trial in found.trials if trial.value is not None)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_hundred_trials_leave_no_key_without_an_end(client: stoker.Client, stack: Settings) -> None:
    job = client.submit(of_function(trials=500, sampler="random", parallel=8))
    found = job.result(timeout=3000)
    assert len({json.dumps(trial.settings) for trial in found.trials}) == 500
    with Redis(redis_url_of(stack)) as redis:
        ended = set(redis.scored(keys.key("finished")))
        assert {job.id, *(trial.job for trial in found.trials)} <= ended, "their records end with their retention"
        kept = {keys.key(each, job_id) for job_id in ended for each in ("job", "events", "history")}
        kept |= {f"celery-task-meta-{job_id}" for job_id in ended}
        names = [name for name in redis.names(f"*{job.id}*") if name not in kept]
        assert [name for name in names if not redis.expires(name)] == []
