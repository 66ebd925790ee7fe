"""The `stoker` command, run as a user's shell runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

import stoker
from stoker.local import redis_url_of
from stoker.settings import Settings

from ..commands import run
from ..conftest import PATIENCE_S

JOB = {"kind": "train", "model": "cli", "data": "sample://iris", "epochs": 2, "seed": 1}


@pytest.fixture
def running(stack: Settings) -> dict[str, str]:
    """The environment of a shell in which Stoker runs."""
    return {"STOKER_REDIS_URL": redis_url_of(stack), "STOKER_STORE_URL": stack.store}


def job_ids(running: dict[str, str]) -> list[str]:
    return [status["id"] for status in json.loads(run("jobs", "--json", env=running).stdout)]


def documents(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_help_names_every_command() -> None:
    told = run("--help").stdout
    jobs = ("submit", "jobs", "watch", "result", "cancel", "dead", "describe", "functions")
    for command in (*jobs, "demo", "up", "worker", "controller", "doctor", "models", "config"):
        assert command in told


def test_a_job_goes_from_a_file_to_its_result(running: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("kind: train\nmodel: cli\ndata: sample://iris\nepochs: 2\nseed: 1\n")
    submitted = run("submit", str(tmp_path / "job.yaml"), "--json", env=running)
    assert submitted.returncode == 0
    [[status]] = [json.loads(submitted.stdout)]
    assert (status["kind"], status["model"]) == ("train", "cli")

    watched = run("watch", status["id"], "--json", env=running)
    assert watched.returncode == 0
    stream = documents(watched.stdout)
    assert [event["type"] for event in (stream[0], stream[-1])] == ["queued", "finished"]
    assert documents(run("watch", status["id"], "--after", stream[0]["id"], "--json", env=running).stdout) == stream[1:]

    [result] = documents(run("result", status["id"][:8], "--json", env=running).stdout)
    assert result["model"].startswith("cli@")
    [listed] = json.loads(run("jobs", "--limit", "1", "--json", env=running).stdout)
    assert listed["id"] == status["id"]
    [version] = documents(run("models", "show", result["model"], "--json", env=running).stdout)
    assert version["job"] == status["id"]
    for ref in (result["model"], "cli"):
        assert documents(run("show", ref, "--json", env=running).stdout) == [version]
    [shown] = documents(run("show", status["id"][:8], "--json", env=running).stdout)
    assert {name: shown[name] for name in listed} == listed
    assert (shown["result"], shown["spec"]["epochs"], shown["eta"]) == (result, 2, None)
    assert [each["how"] for each in shown["attempts"]] == ["SUCCEEDED"]
    told = " ".join(run("show", status["id"][:8], env=running).stdout.split())
    assert all(given in told for given in ('data "sample://iris"', "epochs 2", "seed 1"))
    assert "SUCCEEDED" in told
    nothing = run("show", "no-such-model", env=running)
    assert (nothing.returncode, nothing.stderr.count("\n")) == (1, 1)
    assert "nor is there a model 'no-such-model'" in nothing.stderr
    exported = run("models", "export", result["model"], str(tmp_path / "out"), "--json", env=running)
    assert Path(json.loads(exported.stdout)["path"]).stat().st_size == version["files"]["keras"]["size"]
    again = run("models", "export", result["model"], str(tmp_path / "out"), "--json", env=running)
    assert again.stdout == exported.stdout
    path = Path(json.loads(exported.stdout)["path"])
    path.write_bytes(path.read_bytes()[::-1])
    of_mine = path.read_bytes()
    kept = run("models", "export", result["model"], str(tmp_path / "out"), env=running)
    assert (kept.returncode, path.read_bytes()) == (2, of_mine)
    assert f"{path} is there already" in " ".join(kept.stderr.split())
    assert run("models", "export", result["model"], str(tmp_path / "out"), "--force", env=running).returncode == 0
    assert path.read_bytes() == of_mine[::-1]
    taken = tmp_path / "taken"
    (taken / version["files"]["keras"]["name"]).mkdir(parents=True)
    refused = run("models", "export", result["model"], str(taken), env=running)
    assert refused.returncode == 2
    assert "model.keras is a folder; name another path" in " ".join(refused.stderr.split())


def test_watching_without_json_is_for_people(running: dict[str, str]) -> None:
    watched = run("submit", "-", "--watch", stdin=json.dumps(JOB), env=running)
    assert watched.returncode == 0
    assert "epoch 2/2" in watched.stdout
    assert "SUCCEEDED" in watched.stdout
    assert "model.keras" in watched.stdout


def test_a_job_that_fails_makes_watch_exit_with_1(running: dict[str, str]) -> None:
    bad = JOB | {"data": "sample://diabetes", "loss": "sparse_categorical_crossentropy"}
    watched = run("submit", "-", "--watch", stdin=json.dumps(bad), env=running)
    assert watched.returncode == 1
    assert "FAILED" in watched.stdout


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (JOB | {"epochs": -1}, "Train.epochs: -1 is not allowed"),
        (JOB | {"epoch": 3}, "Train has no field 'epoch': did you mean 'epochs'?"),
        (JOB | {"kind": "trian"}, "'trian' is unknown"),
        (JOB | {"data": "nowhere.csv"}, "nowhere.csv"),
        (JOB | {"model": "No Name"}, "Train.model: 'No Name' is not allowed"),
        ([], "has no jobs"),
        ("just text", "a job"),
    ],
)
def test_a_wrong_job_is_bad_usage_told_in_one_line_and_queues_nothing(
    running: dict[str, str], document: object, told: str
) -> None:
    before = job_ids(running)
    refused = run("submit", "-", stdin=json.dumps(document), env=running)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert refused.stdout == ""
    assert job_ids(running) == before


def test_data_are_described_from_the_shell(running: dict[str, str], tmp_path: Path) -> None:
    rows = "".join(f"{place},{place % 3 + 0.5},{'ab'[place % 2]}\n" for place in range(60))
    (tmp_path / "rows.csv").write_text(f"id,size,grade\n{rows}")
    told = run("describe", str(tmp_path / "rows.csv"), "--target", "grade", env=running)
    assert told.returncode == 0, told.stderr
    assert "60 rows, 3 columns" in told.stdout
    assert "warning: column 'id' is left out" in told.stdout
    assert "grade asks for classification: 2 different texts" in told.stdout
    [document] = documents(run("describe", str(tmp_path / "rows.csv"), "--json", env=running).stdout)
    assert [column["kind"] for column in document["columns"]] == ["ignore", "number", "category"]
    (tmp_path / "rows").write_text("1;2,5\n3;4,5\n" * 20)
    data = f"{{ref: {tmp_path}/rows, format: csv, decimal: ',', columns: {{column_1: category}}}}"
    [document] = documents(run("describe", data, "--json", env=running).stdout)
    assert [column["kind"] for column in document["columns"]] == ["category", "number"]
    refused = run("describe", str(tmp_path / "rows.csv"), "--target", "price", env=running)
    assert refused.returncode == 2
    assert "'price'" in refused.stderr


def test_a_wrong_column_is_refused_before_queuing(running: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,target\n1,2,0\n")
    refused = run(
        "submit", "-", stdin=json.dumps(JOB | {"data": str(tmp_path / "rows.csv"), "target": "price"}), env=running
    )
    assert refused.returncode == 2
    assert "'price'" in refused.stderr


def test_an_unknown_job_or_model_exits_with_1(running: dict[str, str]) -> None:
    assert run("result", "00000000-0000-0000-0000-000000000000", env=running).returncode == 1
    assert run("models", "show", "nobody", env=running).returncode == 1


def test_errors_are_json_too_where_json_was_asked_for(running: dict[str, str]) -> None:
    refused = run("models", "show", "nobody", "--json", env=running)
    assert json.loads(refused.stdout)["error"] == "ModelNotFound"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://127.0.0.1:1/0", "cannot be reached"),
        ("redis://127.0.0.1:{port}/0", "refused the login"),
        ("redis://:wrong@127.0.0.1:{port}/0", "refused the login"),
    ],
)
def test_a_server_out_of_reach_or_locked_exits_with_3(stack: Settings, url: str, told: str) -> None:
    port = redis_url_of(stack).rpartition(":")[2].partition("/")[0]
    refused = run("jobs", env={"STOKER_REDIS_URL": url.format(port=port)})
    assert refused.returncode == 3
    assert told in refused.stderr
    assert "wrong@" not in refused.stderr


def test_no_server_at_all_says_how_to_get_one() -> None:
    refused = run("jobs")
    assert refused.returncode == 3
    assert "stoker up" in refused.stderr


def test_config_tells_where_values_come_from_and_hides_passwords() -> None:
    told = run("config", "--json", env={"STOKER_REDIS_URL": "redis://:hunter2@127.0.0.1:6379/0"}).stdout
    assert "hunter2" not in told
    assert json.loads(told)["redis_url"]["origin"] == "environment: STOKER_REDIS_URL"


def test_cancelling_from_the_shell(running: dict[str, str], stack: Settings) -> None:
    with stoker.Client(settings=stack) as client:
        job = client.submit(stoker.Train(model="cli", data="sample://digits", epochs=1_000_000))
        next(iter(event for event in job.events() if event.type == "epoch"))
        assert run("cancel", job.id, env=running).returncode == 0
        assert job.wait(timeout=PATIENCE_S) is stoker.JobState.CANCELLED
