"""`stoker.testing` does as a server and a worker do: the same assertions on both."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import stoker
from stoker import JobState, events, testing
from stoker.ledger import intake
from stoker.models.requests import RequestId
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .conftest import SMALL

LATER = stoker.Train(model="later", data="sample://digits", not_before=datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture(params=["real", "memory"])
def client(request: pytest.FixtureRequest) -> Iterator[stoker.Client]:
    if request.param == "memory":
        with testing.Client() as client:
            yield client
    else:
        with stoker.Client(settings=request.getfixturevalue("stack")) as client:
            yield client


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def test_a_training_and_what_it_makes(client: stoker.Client) -> None:
    model = unique("alike")
    job = client.submit(stoker.Train(model=model, data="sample://digits", epochs=2, device="cpu", seed=1))
    result = job.result(timeout=PATIENCE_S)
    assert result.model == f"{model}@1"
    assert result.epochs == len(result.history["loss"]) == 2
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= result.metrics.keys()
    story = [event for event in job.events() if event.type not in ("progress", "log", "checkpoint")]
    assert [event.type for event in story] == ["queued", "started", "epoch", "epoch", "finished"]
    assert all(event.id and event.at for event in story)
    assert [event.type for event in job.events(after=story[-2].id)][-1] == "finished"
    status = job.status()
    assert {name for name, value in status if value is None} <= {"parent", "reason", "outage", "paused", "resubmits"}
    assert (status.state, status.queue, status.model, status.attempt) == (JobState.SUCCEEDED, "cpu.train", model, 1)
    assert status.submitted_at <= status.started_at <= status.finished_at  # type: ignore[operator]  # none is None
    version = client.model(model)
    assert (version.ref, version.job, version.aliases) == (f"{model}@1", job.id, ("champion",))
    assert version.signature.inputs[0].shape == (64,)
    assert version.signature.classes == tuple("0123456789")
    assert model in {each.name for each in client.models()}
    rows = np.zeros((3, 64), "float32")
    assert client.infer(model, rows, timeout=PATIENCE_S).shape == (3, 10)
    assert client.infer_many(model, rows, timeout=PATIENCE_S).shape == (3, 10)
    [first, *_] = client.predict(model, rows, timeout=PATIENCE_S)
    [why] = client.explain(model, rows[:1], timeout=PATIENCE_S)
    assert (why.row, why.target) == (0, why.prediction.label)
    assert sum(why.columns.values()) + why.only.rest == pytest.approx(why.value - why.base, abs=0.01)
    assert first.label in version.signature.classes
    assert sum(first.probabilities.values()) == pytest.approx(1, abs=1e-3)
    with pytest.raises(stoker.InvalidJob, match=r"must have shape \(rows, 64\), got \(3, 63\)"):
        client.infer(model, rows[:, 1:])


def test_an_evaluation_comes_after_the_training_that_it_names(client: stoker.Client) -> None:
    model = unique("alike")
    specs = [
        stoker.Train(model=model, data="sample://iris", epochs=1, device="cpu", **SMALL),
        stoker.Evaluate(model="#0", data="sample://iris", device="cpu", bootstrap=100, noise=()),
    ]
    training, evaluation = client.submit_many(specs)
    result = evaluation.result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.EvaluateResult)
    assert result.model == f"{model}@1"
    assert {"report", "html"} <= result.files.keys()
    assert "accuracy" in result.metrics
    assert result.shown().table
    assert evaluation.spec().after == (training.id,)


def test_a_failure_ends_what_comes_after_it(client: stoker.Client, tmp_path: Path) -> None:
    table = tmp_path / "empty.csv"
    table.write_text("a,target\n")
    if isinstance(client, testing.Client):
        client.on(stoker.Train, testing.fails("the table has no rows"), model="failing")
    specs = [
        stoker.Train(model="failing", data=table, device="cpu"),
        stoker.Evaluate(model="#0", data="sample://iris"),
    ]
    failing, after = client.submit_many(specs)
    assert failing.wait(timeout=PATIENCE_S) is JobState.FAILED
    with pytest.raises(stoker.JobFailed) as failed:
        failing.result()
    assert failed.value.message == failing.status().reason
    [*_, last] = failing.events()
    assert isinstance(last, events.Finished)
    assert last.reason == failed.value.message
    with pytest.raises(stoker.JobCancelled, match=f"job {failing.id}, which it comes after, is FAILED"):
        after.result(timeout=PATIENCE_S)
    again = failing.retry()
    assert again.id not in (failing.id, after.id)
    assert again.spec() == failing.spec()
    assert again.status().resubmits == failing.id
    assert failing.retry().id == again.id
    assert again.wait(timeout=PATIENCE_S) is JobState.FAILED


def test_a_job_that_waits_is_cancelled_and_tried_again(client: stoker.Client) -> None:
    job = client.submit(LATER)
    assert job.state is JobState.WAITING
    with pytest.raises(stoker.InvalidJob, match="is WAITING: cancel it first"):
        job.retry()
    with pytest.raises(stoker.Timeout, match=r"is WAITING after 0\.05 s of waiting"):
        job.wait(timeout=0.05)
    with pytest.raises(stoker.Timeout, match=r"1 of 1 jobs have not ended after 0\.05 s"):
        client.wait_all([job], timeout=0.05)
    job.cancel()
    job.cancel()
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
    with pytest.raises(stoker.JobCancelled, match=r"^cancelled before it started$"):
        job.result()
    assert [event.type for event in job.events()] == ["waiting", "finished"]
    again = job.retry()
    assert again.state is JobState.WAITING
    assert job.retry().id == again.id
    again.cancel()
    assert again.retry().id not in (job.id, again.id)
    again.retry().cancel()


def test_what_was_cancelled_for_a_job_before_it_is_tried_again_behind_that_ones_retry(client: stoker.Client) -> None:
    model = unique("alike")
    specs = [LATER.model_copy(update={"model": model}), stoker.Evaluate(model="#0", data="sample://digits")]
    first, second = client.submit_many(specs)
    first.cancel()
    with pytest.raises(stoker.InvalidJob, match=f"comes after job {first.id}, which has not succeeded: retry that one"):
        second.retry()
    again = first.retry()
    behind = second.retry()
    assert behind.state is JobState.WAITING
    assert behind.spec().after == (again.id,)
    assert again.id in str(behind.spec())
    assert first.id not in str(behind.spec())
    again.cancel()
    last = again.retry()
    assert second.retry().id == behind.id
    assert behind.retry().spec().after == (last.id,)
    last.cancel()


def test_a_key_is_one_job(client: stoker.Client) -> None:
    key = unique("key")
    first = client.submit(LATER, idempotency_key=key)
    assert client.submit(LATER, idempotency_key=key).id == first.id
    with pytest.raises(stoker.InvalidJob, match="belongs to a job with another spec"):
        client.submit(LATER.model_copy(update={"epochs": 99}), idempotency_key=key)
    first.cancel()


def test_jobs_are_listed(client: stoker.Client) -> None:
    tags = {"of": unique("list")}
    began = datetime.now(UTC) - timedelta(minutes=1)
    specs = [LATER.model_copy(update={"tags": tags})] * 2 + [stoker.Describe(data="sample://iris", tags=tags)]
    jobs = client.submit_many(specs)
    jobs[2].wait(timeout=PATIENCE_S)
    newest_first = [job.id for job in reversed(jobs)]
    assert [status.id for status in client.jobs(tags=tags)] == newest_first
    assert [status.id for status in client.jobs(tags=tags, limit=1)] == newest_first[:1]
    assert [status.id for status in client.jobs(tags=tags, before=newest_first[0])] == newest_first[1:]
    assert [status.id for status in client.jobs("waiting", tags=tags)] == newest_first[1:]
    assert [status.id for status in client.jobs(kind="describe", tags=tags)] == newest_first[:1]
    assert [status.id for status in client.jobs(model="later", tags=tags)] == newest_first[1:]
    assert [status.id for status in client.jobs(tags=tags, since=began)] == newest_first
    assert client.jobs(tags=tags, until=began) == []
    at = client.job(newest_first[0]).status().submitted_at
    assert client.jobs(tags=tags, since=at + timedelta(seconds=1)) == []
    assert [status.id for status in client.jobs(tags=tags, until=at + timedelta(seconds=1))] == newest_first
    for job in jobs:
        job.cancel()


def test_a_long_list_is_submitted_and_waited_for(client: stoker.Client) -> None:
    jobs = client.submit_many([LATER] * (intake.CHUNK_JOBS + 50))
    for job in jobs[10:]:
        job.cancel()
    ended = client.as_completed(jobs, timeout=PATIENCE_S)
    assert {next(ended).id for _ in jobs[10:]} == {job.id for job in jobs[10:]}
    for job in jobs[:10]:
        job.cancel()
    assert {job.id for job in ended} == {job.id for job in jobs[:10]}
    assert client.wait_all(jobs, timeout=PATIENCE_S) == jobs


def test_jobs_are_paused_and_go_on(client: stoker.Client) -> None:
    tags = {"tenant": unique("held")}
    client.pause_tenant(tags["tenant"])
    first, second = client.submit_many([stoker.Describe(data="sample://iris", tags=tags, device="cpu")] * 2)
    assert first.state is JobState.QUEUED
    assert tags["tenant"] in client.paused().tenants
    first.pause()
    first.pause()
    status = first.status()
    assert (status.state, status.paused is None) == (JobState.WAITING, False)
    assert first.id in client.paused().longest
    client.resume_tenant(tags["tenant"])
    assert tags["tenant"] not in client.paused().tenants
    assert second.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    assert client.matching("resume", tags=tags).count == 1
    assert client.resume_many(tags=tags).done == 1
    assert first.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    story = [(event.type, getattr(event, "reason", None)) for event in first.events() if event.type != "progress"]
    assert story[:3] == [("queued", None), ("waiting", "paused"), ("queued", "resumed")]
    with pytest.raises(stoker.InvalidJob, match="it has ended, and there is nothing to pause"):
        first.pause()
    waiting = client.submit(LATER)
    waiting.pause()
    waiting.resume()
    waiting.cancel()
    assert [event.type for event in waiting.events()] == ["waiting", "waiting", "waiting", "finished"]


def test_a_job_is_submitted_again_with_changes(client: stoker.Client) -> None:
    job = client.submit(LATER)
    again = client.resubmit(job.id, epochs=3, not_before=LATER.not_before)
    assert (again.spec().epochs, again.status().resubmits) == (3, job.id)  # type: ignore[union-attr]  # a training
    with pytest.raises(stoker.InvalidJob):
        client.resubmit(job.id, epochs=-1)
    for each in (job, again):
        each.cancel()


def test_models_are_kept_in_order(client: stoker.Client) -> None:
    model, new = unique("alike"), unique("renamed")
    train = stoker.Train(model=model, data="sample://iris", epochs=1, device="cpu", **SMALL)
    for job in client.submit_many([train] * 3):
        job.result(timeout=PATIENCE_S)
    assert client.alias_model(f"{model}@2", "champion").aliases == ("champion",)
    assert client.alias_model(f"{model}@3", "champion").version == 3
    assert client.rollback_model(model).version == 2
    assert client.rollback_model(model).version == 1
    assert client.note_model(f"{model}@2", "too old").note == "too old"
    assert client.alias_model(f"{model}@3", "next").aliases == ("next",)
    client.drop_alias(model, "next")
    assert client.remove_model(f"{model}@2") == (f"{model}@2",)
    assert [version.version for version in client.rename_model(model, new)] == [3, 1]
    assert client.model(new).ref == f"{new}@1"
    assert client.keep_versions(new, 1, dry_run=True).removed == ()
    told = [change for change in client.model_changes(new) if change.renamed or change.removed or change.back]
    assert [(each.renamed, each.removed, each.back) for each in told] == [
        (model, None, False), (None, 2, False), (None, None, True), (None, None, True),
    ]  # fmt: skip
    with pytest.raises(stoker.ModelNotFound, match=rf"{new}@2 was removed at .* UTC by .*, who asked for it"):
        client.model(f"{new}@2")
    with pytest.raises(stoker.ModelInUse, match=rf"{new}@1 is what {new}@champion points at: move or drop that"):
        client.remove_model(f"{new}@1")
    with pytest.raises(stoker.ModelNotFound, match=f"{new} has no alias 'none'"):
        client.drop_alias(new, "none")
    with pytest.raises(stoker.ModelNotFound, match=f"there is no model {new}@none: its aliases are champion"):
        client.rollback_model(new, "none")
    with pytest.raises(stoker.ModelNotFound, match=f"there is no model {model}: "):
        client.rename_model(model, new)
    job = client.submit(LATER.model_copy(update={"model": new}))
    with pytest.raises(stoker.ModelInUse, match=f"{new} is named by job {job.id}"):
        client.remove_model(new)
    job.cancel()
    assert client.remove_model(new) == (f"{new}@3", f"{new}@1")
    with pytest.raises(stoker.ModelNotFound):
        client.model(new)


def test_uploads_are_listed_and_forgotten(client: stoker.Client) -> None:
    ref = client.upload({"a": [1.0, 2.0]}, name=unique("rows"))
    assert [upload.files for upload in client.uploads() if upload.ref == ref] == [1]
    client.remove_upload(ref)
    assert ref not in {upload.ref for upload in client.uploads()}
    with pytest.raises(stoker.StokerError, match="it was never uploaded to this server"):
        client.remove_upload(ref)


REFUSED: dict[str, Callable[[stoker.Client], object]] = {
    "a file that is not there": lambda client: client.submit(stoker.Train(model="a", data="/none/none.csv")),
    "a column that is not there": lambda client: client.submit(
        stoker.Train(model="a", data="sample://churn", target="x")
    ),
    "a model that is not there": lambda client: client.submit(stoker.Evaluate(model="none", data="sample://iris")),
    "a place that is not there": lambda client: client.submit_many([stoker.Evaluate(model="#3", data="sample://iris")]),
    "a job that is not there": lambda client: client.job("none"),
    "no id": lambda client: client.job("a/b"),
    "a version that is not there": lambda client: client.model("none"),
    "no reference": lambda client: client.model("A B"),
    "a prediction of none": lambda client: client.infer("none", [[1.0]]),
    "no state": lambda client: client.jobs("runing"),
    "a time without a zone": lambda client: client.jobs(since=datetime(2026, 1, 1)),  # noqa: DTZ001
    "jobs before none": lambda client: client.jobs(before="none"),
    "no spec": lambda client: client.submit("train"),  # type: ignore[arg-type]
    "no jobs": lambda client: client.as_completed(["none"]),  # type: ignore[arg-type]
    "no timeout": lambda client: client.wait_all([], timeout=-1),
    "a copied spec": lambda client: client.submit(LATER.model_copy(update={"epochs": -1})),
    "what comes after none": lambda client: client.submit(LATER.model_copy(update={"after": ("none",)})),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_is_refused_is_refused_in_the_same_words(wrong: str, stack: Settings) -> None:
    refusals = []
    with stoker.Client(settings=stack) as real, testing.Client() as memory:
        for client in (real, memory):
            with pytest.raises(stoker.StokerError) as refused:
                REFUSED[wrong](client)
            refusals.append((type(refused.value), refused.value.message))
    assert refusals[0] == refusals[1]


def test_no_thread_is_left() -> None:
    before = threading.enumerate()
    with testing.Client() as client:
        client.on(stoker.Train, testing.runs())
        job = client.submit(stoker.Train(model="a", data="sample://iris"))
        with pytest.raises(stoker.Timeout):
            job.wait(timeout=0.05)
        timer = threading.Timer(0.05, client.finish, [job])
        timer.start()
        assert job.result(timeout=PATIENCE_S).model == "a@1"
        timer.join()
    assert threading.enumerate() == before


def test_a_test_says_what_comes_of_jobs() -> None:
    with testing.Client() as client:
        train = stoker.Train(model="a", data="sample://iris", epochs=3)
        result = client.submit(train).result()
        client.on(stoker.Train, testing.returns(metrics={"f1": 1.0}), testing.fails("boom"), testing.returns(result))
        assert client.submit(train).result().metrics == {"f1": 1.0}
        with pytest.raises(stoker.JobFailed, match="boom"):
            client.submit(train).result()
        assert client.submit(train).result() == client.submit(train).result() == result
        client.on(stoker.Train, testing.runs(events=[events.Log(line="so far")]), model="b")
        job = client.submit(train.model_copy(update={"model": "b"}))
        client.report(job, events.Log(line="further"))
        client.finish(job, testing.fails("in the end"))
        lines = [event.line for event in job.events() if isinstance(event, events.Log)]
        assert lines == ["so far", "further"]
        with pytest.raises(stoker.InvalidJob, match="is FAILED, and only one that runs can go on"):
            client.finish(job)
        client.add_model("prices", inputs=["rooms", "age"], target="price")
        client.on_predict("prices", [1.5, 2.5])
        rows = [{"rooms": 3, "age": 10}] * 3
        assert [each.value for each in client.predict("prices", rows)] == [1.5, 2.5, 1.5]
        client.on_predict("prices", lambda tensors: tensors["numbers"].sum(axis=1, keepdims=True))
        assert [each.value for each in client.predict("prices", rows[:1])] == [13.0]
        assert client.ledger.later[client.infer_later("prices", rows[:2])] == [[13.0], [13.0]]
        answer = client.ask("prices", rows[:2], key="user-7")
        assert (answer.outputs.tolist(), answer.model) == ([[13.0], [13.0]], "prices@1")
        assert RequestId.parse(answer.request).model == client.predict("prices", rows)[0].model == "prices@1"
        with pytest.raises(stoker.InvalidArgument, match="a key is text of up to 1,000 characters"):
            client.infer("prices", rows, key=7)  # type: ignore[arg-type]  # what is wrong with it
        with pytest.raises(stoker.StokerError, match=r"stoker\.testing does not play .* with a server and a worker"):
            client.workers()


def test_a_deployment_by_steps_does_no_harm() -> None:
    with testing.Client() as client:
        for _ in range(2):
            client.add_model("pets", inputs=("size",), classes=("cat", "dog"))
        spec = stoker.Deploy(model="pets@2", shadow=50, steps=(0.1, 0.5, 1.0), approval="release-managers")
        result = client.submit(spec).result()
        assert (result.model, result.before) == ("pets@2", "pets@1")
        assert [step.name for step in result.steps] == ["shadow", "10 %", "50 %"]
        assert result.approval
        assert result.load_test
        assert len(result.shown().table) == 4
        assert client.model("pets").ref == "pets@2"
        assert client.submit(stoker.Deploy(model="pets@1")).result() == stoker.DeployResult(
            model="pets@1", alias="champion", before="pets@2"
        )


def test_a_search_has_trials_of_its_space_and_makes_a_model() -> None:
    train = stoker.Train(model="m", data="sample://digits")
    space = {"batch_size": [16, 32], "optimizer.learning_rate": stoker.Float(1e-4, 1e-1, log=True)}
    with testing.Client() as client:
        job = client.submit(stoker.Tune(job=train, space=space, goal="min val_loss", finish="same", alias="best"))
        found = job.result()
        assert found.value == min(trial.value for trial in found.trials if trial.value is not None)
        assert found.settings == found.ranking[0].settings
        assert all(trial.settings.keys() == space.keys() for trial in found.trials)
        assert client.model("m@best").ref == found.model == "m@1"
        assert (job.status().kind, job.status().model) == ("tune", "m")
        assert set(found.files) == {"report", "html", "study"}
        function = stoker.Tune(
            job=stoker.Run("shop.jobs:rank"), space={"weeks": [1, 2]}, goal="min mae", alias="best",
            test_data="sample://diabetes",
        )  # fmt: skip
        of_function = client.submit(function).result()
        assert (of_function.model, of_function.alias) == (None, None)
        with pytest.raises(stoker.InvalidJob, match="batch_size=0"):
            client.submit(stoker.Tune(job=train, space={"batch_size": [0]}, goal="min loss"))


def test_a_job_that_runs_is_paused_where_it_keeps_checkpoints() -> None:
    with testing.Client() as client:
        client.on(stoker.Train, testing.runs(), testing.fails("no other one"))
        client.on(stoker.Describe, testing.runs())
        job = client.submit(stoker.Train(model="a", data="sample://iris", epochs=2))
        job.pause()
        assert (job.state, job.status().attempt) == (JobState.WAITING, 1)
        with pytest.raises(stoker.InvalidJob, match="is WAITING, and only one that runs can go on"):
            client.finish(job)
        job.resume()
        assert (job.state, job.status().attempt) == (JobState.RUNNING, 2)
        client.finish(job)
        assert job.result().model == "a@1"
        kinds = ["queued", "started", "epoch", "waiting", "queued", "started", "finished"]
        assert [event.type for event in job.events()] == kinds
        brief = client.submit(stoker.Describe(data="sample://iris"))
        with pytest.raises(stoker.InvalidJob, match="runs and keeps no checkpoint"):
            brief.pause()
        client.pause_queue("cpu.train")
        assert client.submit(stoker.Train(model="a", data="sample://iris")).state is JobState.QUEUED
        client.resume_queue("cpu.train")


def test_a_model_of_an_upload_takes_its_columns(client: stoker.Client, tmp_path: Path) -> None:
    table = tmp_path / "plans.csv"
    rows = ("full,yes" if n % 3 else "basic,no" for n in range(60))
    table.write_text("age,plan,stays\n" + "".join(f"{20 + n % 17},{row}\n" for n, row in enumerate(rows)))
    data, model = client.upload(table), unique("alike")
    job = client.submit(stoker.Train(model=model, data=data, target="stays", epochs=1, device="cpu"))
    job.result(timeout=PATIENCE_S)
    assert client.model(model).signature.classes == ("no", "yes")
    [first] = client.predict(model, [{"age": 30, "plan": "full"}], timeout=PATIENCE_S)
    assert first.label in ("no", "yes")
    with pytest.raises(stoker.InvalidJob, match="plan"):
        client.predict(model, [{"age": 30}])
    lacking = client.submit(stoker.Train(model=model, data=data, target="gone", device="cpu"))
    assert lacking.wait(timeout=PATIENCE_S) is JobState.FAILED
    assert "has no column 'gone'; it has 'age', 'plan', 'stays'" in (lacking.status().reason or "")
    with pytest.raises(stoker.InvalidJob, match="it was never uploaded to this server"):
        client.submit(stoker.Train(model=model, data=f"store://{64 * '0'}/none.csv"))


def test_a_model_of_uploaded_rows_takes_their_columns() -> None:
    with testing.Client() as client:
        data = client.upload({"rooms": [1.0, 2.0], "town": ["a", None], "price": [0.5, 1.5]})
        client.submit(stoker.Train(model="prices", data=data, target="price"))
        client.on_predict("prices", 1.5)
        [first] = client.predict("prices", [{"rooms": 3, "town": "b"}])
        assert first.value == 1.5


def test_an_upload_is_known_until_it_is_removed(client: stoker.Client, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"age,target\n1,{unique('no')}\n2,yes\n")
    data = client.upload(tmp_path / "table.csv", keep_days=2)
    assert client.upload(tmp_path / "table.csv", keep_days=1) == data
    [upload] = [each for each in client.uploads() if each.ref == data]
    assert (upload.files, upload.keep_s) == (1, 2 * 86_400)
    client.remove_upload(data)
    assert data not in {each.ref for each in client.uploads()}
    with pytest.raises(stoker.InvalidArgument, match="never uploaded"):
        client.remove_upload(data)
    with pytest.raises(stoker.InvalidJob, match="never uploaded"):
        client.submit(stoker.Train(model="m", data=data, device="cpu"))


def test_both_clients_see_one_ledger() -> None:
    async def wait_for(ledger: testing.Ledger, job_id: str) -> str:
        async with testing.AsyncClient(ledger) as client:
            job = await client.job(job_id)
            asyncio.get_running_loop().call_later(0.05, client.finish, job)
            result = await job.result(timeout=PATIENCE_S)
            assert [each.id async for each in client.as_completed([job])] == [job_id]
            assert await client.wait_all([job]) == [job]
            assert isinstance(result, stoker.TrainResult)
            return result.model

    with testing.Client() as client:
        client.on(stoker.Train, testing.runs())
        job = client.submit(stoker.Train(model="a", data="sample://iris"))
        assert asyncio.run(wait_for(client.ledger, job.id)) == "a@1"
        assert job.state is JobState.SUCCEEDED


def test_an_export_is_brought_here(tmp_path: Path) -> None:
    with testing.Client() as client:
        client.add_model("shop", inputs=["age"], classes=["stays", "leaves"])
        results = {
            "saved_model.pb": client.export("shop", "savedmodel", tmp_path / "savedmodel", name="mine"),
            "model.onnx": client.export("shop", "onnx", tmp_path / "onnx", name="mine"),
        }
        for file, result in results.items():
            assert result.where == str(tmp_path / result.format / "mine" / "1")
            assert {path.name for path in Path(result.where).iterdir()} == {file, "export.json"}
        assert client.export("shop", "onnx", "s3://bucket/models").where == "s3://bucket/models/shop/1"
        (tmp_path / "onnx" / "mine" / "1" / "model.onnx").write_bytes(b"damaged")
        with pytest.raises(stoker.InvalidJob, match=r"model\.onnx of it has changed"):
            client.export("shop", "onnx", tmp_path / "onnx", name="mine")

    async def later() -> stoker.ExportResult:
        async with testing.AsyncClient() as client:
            client.add_model("shop", inputs=["age"], classes=["stays", "leaves"])
            return await client.export("shop", "litert", tmp_path, compress="zstd")

    assert [each.path for each in asyncio.run(later()).written] == ["model.tflite.zst"]


def test_what_an_app_trusts_and_encrypts_with_does_not_concern_a_client_in_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SIGNING_KEY", "TRUSTED_KEYS", "ENCRYPTION_KEY"):
        monkeypatch.setenv(f"STOKER_{name}", str(tmp_path / "only-in-production"))
    with testing.Client() as client:
        job = client.submit(stoker.Train(model=unique("unsigned"), data="sample://digits"))
        result = job.result(timeout=PATIENCE_S)
        assert isinstance(result, stoker.TrainResult)
        assert client.model(result.model).ref == result.model
        assert client.download(client.upload([{"x": 1.0}], name="rows"), tmp_path).read_bytes()
