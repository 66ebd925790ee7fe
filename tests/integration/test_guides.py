"""The examples of the guides to one's own models and code run as they stand."""

import ast
import asyncio
import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from shop import handwriting

import stoker
from stoker import kinds
from stoker.gateway.auth.keys import key_of
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from ..foreign_loader import elsewhere
from .gateways import running_gateway
from .test_examples import DOCS, write_month

# Those whose jobs take longest; what they call is tried in memory, test_pages.py.
LONG = ("apps", "choosing", "exporting", "notebook", "optimising", "registry", "tuning")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL)


def run(code: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(code, "guide", "exec"), names)
    return names


pytestmark = pytest.mark.usefixtures("reader")


@pytest.fixture
def client(reader: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=reader) as client:
        yield client


def test_functions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    function, submitted, tested = blocks("functions", "python")
    assert Path(str(handwriting.__file__)).read_text() == function, "the package has what the page shows"
    job = run(submitted)["job"]
    assert 0.8 < float(capsys.readouterr().out) <= 1
    assert isinstance(job, stoker.Job)
    result = job.result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.RunResult)
    assert set(result.files) == {"model"}
    [file] = blocks("functions", "yaml")
    assert kinds.parse_spec(yaml.safe_load(file)) == stoker.Run("shop.handwriting:fit_digits", {"epochs": 5})
    [test] = [each for name, each in run(tested).items() if name.startswith("test_")]
    assert callable(test)
    test(tmp_path / "run")


@pytest.mark.slow
def test_apps(capsys: pytest.CaptureFixture[str]) -> None:
    many, tests = blocks("apps", "python")
    run(many)
    assert len(capsys.readouterr().out.splitlines()) == 3
    run(tests)


@pytest.mark.slow
def test_notebook() -> None:
    job = run("\n".join(blocks("notebook", "python")))["job"]
    assert isinstance(job, stoker.Job)
    assert "SUCCEEDED" in job._repr_html_()


def test_import(client: stoker.Client, tmp_path: Path) -> None:
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    network.save("flowers.keras")
    network.save("old.h5")
    registered, converted = blocks("import", "python")
    version = run(registered)["version"]
    assert isinstance(version, stoker.ModelVersion)
    [console] = blocks("import", "console")
    for line in console.splitlines():
        command = line.removeprefix("$ stoker ").partition("#")[0].split()
        told = commands.run(*command)
        assert told.returncode == 0, told.stderr
    assert "multiclass: setosa, versicolor, virginica" in told.stdout
    assert client.model("flowers").signature == version.signature
    run(converted)
    rows = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(keras.saving.load_model("model.keras")(rows), network(rows), atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("operator")
def test_registry(client: stoker.Client, capsys: pytest.CaptureFixture[str]) -> None:
    [example] = blocks("registry", "python")
    run(example)
    assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)  # (.*)", example)
    [console] = blocks("registry", "console")
    for line in console.splitlines():
        told = commands.run(*shlex.split(line.removeprefix("$ stoker ")))
        assert told.returncode == 0, told.stderr
    assert not [version for version in client.models() if "kept" in version.name]
    [settings] = blocks("registry", "toml")
    assert [rule.keep for rule in Settings(**tomllib.loads(settings)).retention.values()] == [3, 10]


@pytest.mark.slow
def test_choosing(client: stoker.Client, capsys: pytest.CaptureFixture[str]) -> None:
    [example] = blocks("choosing", "python")
    names = run(example)
    best = names["best"]
    assert isinstance(best, stoker.CompareResult)
    assert best.chosen
    assert best.chosen in capsys.readouterr().out
    assert best.models[0].verdict == "chosen"
    assert {model.file_format for model in best.models} == {"keras"}
    assert all(model.engine for model in best.models)
    assert best.device == "cpu"
    [console] = blocks("choosing", "console")
    for line in console.splitlines():
        told = commands.run(*shlex.split(line.removeprefix("$ stoker ")))
        assert told.returncode == 0, told.stderr
    small = json.loads(told.stdout)
    assert small["chosen"] == min(small["models"], key=lambda model: model["file_bytes"])["model"]
    command = ["models", "best", "--data", "sample://breast_cancer", "--model", "tumour"]
    told = commands.run(*command, "max accuracy where accuracy > 0.99999 and memory_bytes < 1kB")
    assert told.returncode == 1
    assert "None of the 3 models meets the conditions" in told.stdout
    told = commands.run(*command, "max accuracy where bytes < 1B")
    assert (told.returncode, "None of the 3 registered versions fits" in told.stdout) == (1, True)
    told = commands.run(*command, "max accuracy where bytes < 1 ms")
    assert (told.returncode, "a unit of bytes (B, kB" in told.stderr) == (2, True)


@pytest.mark.slow
def test_tuning(client: stoker.Client) -> None:
    [submitted] = blocks("tuning", "python")
    names = run(submitted)
    found, job = names["found"], names["job"]
    assert isinstance(found, stoker.TuneResult)
    assert found.model == "vintages@1"
    version = client.model(found.model)
    assert "val_accuracy" not in version.metrics, "it was trained on all rows"
    assert version.tuned.startswith(f"trial {found.best} of ")
    assert len(found.trials) == 4
    [file] = blocks("tuning", "yaml")
    spec = kinds.parse_spec(yaml.safe_load(file))
    assert isinstance(job, stoker.Job)
    assert isinstance(spec, stoker.Tune)
    assert spec.space["batch_size"] == stoker.Choice([16, 32])
    assert (spec.job, spec.goal, spec.trials) == (
        stoker.Train(model="vintages", data="sample://wine", epochs=9), "max val_accuracy", 4
    )  # fmt: skip


def test_files(tmp_path: Path) -> None:
    write_month(tmp_path)
    (tmp_path / "month.csv").rename("customers.csv")
    [code] = blocks("files", "python")
    names = run(code)
    page = names["page"]
    assert isinstance(page, bytes)
    assert b"<html" in page.lower()
    assert keras.saving.load_model("leaving.keras", compile=False)
    [console] = blocks("files", "console")
    for line in console.splitlines():
        told = commands.run(*line.removeprefix("$ stoker ").partition("#")[0].split())
        assert told.returncode == 0, told.stderr
    assert str(names["data"]) in told.stdout
    assert isinstance(names["job"], stoker.Job)
    told = commands.run("files", "get", f"{names['job'].id}/html", "report.html")
    assert told.returncode == 0, told.stderr
    assert Path("report.html").read_bytes() == page
    assert "html" in commands.run("files", "ls", names["job"].id).stdout
    told = commands.run("files", "rm", str(names["data"]))
    assert (told.returncode, commands.run("files", "get", str(names["data"])).returncode) == (0, 2)


def test_explaining(client: stoker.Client, capsys: pytest.CaptureFixture[str]) -> None:
    single, _ = blocks("explaining", "python")
    why = run(single)["why"]
    assert isinstance(why, stoker.Explanation)
    assert why.only.complete
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(why.columns)
    [console] = blocks("explaining", "console")
    told = commands.run(*console.strip().removeprefix("$ stoker ").split())
    assert told.returncode == 0, told.stderr
    assert "falls by" in told.stdout
    assert "baseline: the mean" in told.stdout
    row = '{"joined": null, "age": 50, "calls": 1, "monthly": 20, "plan": "new", "region": "east", "paperless": true}'
    told = commands.run("explain", "leavers", row, "--output", "no", "--json")
    assert told.returncode == 0, told.stderr
    [explained] = json.loads(told.stdout)
    assert [each["target"] for each in explained["outputs"].values()] == ["no"]
    assert commands.run("explain", "leavers").returncode == 2
    told = commands.run("explain", "leavers", row, "--output", "never")
    assert told.returncode == 1
    assert "output names 'never'" in told.stderr

    async def asked() -> list[stoker.Explanation]:
        async with stoker.AsyncClient() as asynchronous:
            return await asynchronous.explain("leavers", json.loads(row), timeout=PATIENCE_S)

    [same] = asyncio.run(asked())
    assert same.only.complete
    with pytest.raises(stoker.InvalidJob, match="257 rows to explain"):
        client.explain("leavers", [json.loads(row)] * 257)
    with pytest.raises(stoker.InvalidJob, match="no column 'age'"):
        client.explain("leavers", {"joined": None})


@pytest.mark.slow
def test_exporting(client: stoker.Client, tmp_path: Path) -> None:
    [example] = blocks("exporting", "python")
    names = run(example)
    made, here = names["result"], names["here"]
    assert isinstance(made, stoker.ExportResult)
    assert isinstance(here, stoker.ExportResult)
    assert set(made.files) == {"model", "manifest"}
    version = made.model.partition("@")[2]
    assert here.where == str(tmp_path / "models" / "leavers" / version)
    [console] = blocks("exporting", "console")
    for line in console.splitlines():
        told = commands.run(*shlex.split(line.removeprefix("$ stoker ")))
        assert told.returncode == 0, told.stderr
    assert Path("model.keras").is_file()
    # As the program of another author has them: raw, by the names in export.json.
    rows = {
        "features": np.array([[31, 80, 9], [np.nan, 20, 1]], np.float32),
        "booleans": np.array([[0], [np.nan]], np.float32),
        "categories": np.array([["basic", "north"], ["unheard of", ""]], "S"),
        "times": np.array([["2024-05-01"], ["2021-01-31"]], "M8[us]").astype(np.int64),
    }
    [shares] = elsewhere("onnx", tmp_path / "models" / "leavers" / version, rows).values()
    row = {"joined": "2024-05-01", "plan": "basic", "region": "north", "age": 31, "monthly": 80, "calls": 9}
    [answer] = client.predict("leavers", {**row, "paperless": "no"})
    assert shares[0, 0] == pytest.approx(answer.probabilities["yes"], abs=1e-5)
    # In a folder of the worker's machine, which `stoker up` may write to; and packed.
    [file] = blocks("exporting", "yaml")
    fields = {**yaml.safe_load(file), "model": made.model, "to": str(tmp_path / "serving")}
    packed = client.submit(kinds.parse_spec(fields)).result(timeout=PATIENCE_S)
    assert isinstance(packed, stoker.ExportResult)
    subprocess.run(["tar", "--zstd", "-xf", f"{packed.where}/savedmodel.tar.zst", "-C", "serving"], check=True)
    assert Path(f"serving/leavers/{version}/saved_model.pb").is_file()


def test_environments(client: stoker.Client, eventually: Eventually) -> None:
    [submitted] = blocks("environments", "python")
    run(submitted)
    job, *_ = client.jobs(kind="train", model="ranker")
    [settings] = blocks("environments", "toml")
    assert Settings(**tomllib.loads(settings)).labels.items() >= {"image": "shop-1.4"}.items()
    lacks = "no live worker has label image=shop-1.4"
    eventually(lambda: client.job(job.id).status().reason == lacks)
    # As the page shows it, but for the id and the time.
    shown = next(text for text in blocks("environments", "console") if lacks in text)
    [listed] = [line for line in commands.run("jobs", "--kind", "train").stdout.splitlines() if lacks in line]
    assert listed.split()[1:4] == next(line for line in shown.splitlines() if lacks in line).split()[1:4]
    [found] = [line for line in commands.run("doctor").stdout.splitlines() if "  needs  " in line]
    [promised] = [line.strip().removesuffix("…").strip() for line in shown.splitlines() if "  needs  " in line]
    assert " ".join(found.split()).startswith(" ".join(promised.split()))
    client.job(job.id).cancel()


@pytest.fixture
def _nothing_stays_paused(operator: None) -> Iterator[None]:
    yield
    commands.run("resume", "--queue", "cpu.train", "--tenant", "blue")


@pytest.mark.usefixtures("_nothing_stays_paused")
def test_jobs(client: stoker.Client, capsys: pytest.CaptureFixture[str], eventually: Eventually) -> None:
    paused, reused = blocks("jobs", "python")
    run(reused)
    assert capsys.readouterr().out == "1\n"
    run(paused)
    since, epochs = capsys.readouterr().out.splitlines()
    assert since.startswith("20")
    assert epochs == "30"
    for block in blocks("jobs", "console"):
        for line in block.splitlines():
            command = line.removeprefix("$ stoker ").partition("#")[0].split()
            # On a machine that does much else somebody is late now and then, which the doctor tells.
            eventually(partial(_ends_well, *command))
    assert client.paused().queues == {}


def _ends_well(*command: str) -> bool:
    told = commands.run(*command)
    print(told.stdout, told.stderr)
    return told.returncode == 0


@pytest.mark.slow
def test_optimising(client: stoker.Client, capsys: pytest.CaptureFixture[str]) -> None:
    example, _, goal = blocks("optimising", "python")
    run(example)
    model, parent, _ = capsys.readouterr().out.splitlines()
    assert (model.split()[0], parent) == ("figures@2", "figures@1")
    assert client.model("figures").ref == "figures@1"
    [value] = [node for node in ast.parse(f"import stoker\n{goal}").body if isinstance(node, ast.Expr)]
    assert ast.unparse(value).startswith("stoker.Optimize(")
    run(f"import stoker\n{goal}")
    [file] = blocks("optimising", "yaml")
    assert isinstance(kinds.parse_spec(yaml.safe_load(file)), stoker.Optimize)


def test_training() -> None:
    [spec] = blocks("training", "python")
    [value] = [node for node in ast.parse(spec).body if isinstance(node, ast.Expr)]
    run(spec)
    assert ast.unparse(value).startswith("stoker.Train(")


def test_schedules(client: stoker.Client) -> None:
    [file] = blocks("schedules", "yaml")
    Path("retrain.yaml").write_text(file)
    listed = []
    for line in "".join(blocks("schedules", "console")).splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        told = commands.run(*words[1:])
        assert told.returncode == 0, told.stderr
        listed.append(told.stdout)
    assert listed[0].startswith("retrain: 3 job(s), 0 3 * * *\n  ")
    assert listed[0].count(" 03:00:00 CE") == 3
    assert [row.split()[0] for row in listed[2].splitlines()] == ["name", "often", "retrain"]
    assert len(listed[3].splitlines()) == 10
    assert "on each drift of digits, at most 2 in 24 hours, 21600 s apart" in listed[-1]
    assert [each.name for each in client.schedules()] == ["on-drift", "retrain"]
    python, flow = blocks("schedules", "python")
    run(python)
    run(flow)
    for each in client.schedules():
        client.remove_schedule(each.name)


def test_traffic(capsys: pytest.CaptureFixture[str]) -> None:
    [asked] = blocks("traffic", "python")
    run(asked)
    answered, predicted = capsys.readouterr().out.splitlines()
    assert answered == "(2, 3) blossoms@1"
    assert predicted.endswith("blossoms@1 True")


@pytest.mark.usefixtures("operator")
def test_rollouts(reader: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    [approved] = blocks("rollouts", "python")
    run(approved)
    asked, said = capsys.readouterr().out.splitlines()
    assert asked.startswith("the approval of release-managers until")
    who = "operator" if reader.trusted_keys else "default"
    assert said == f"approved by {who} for release-managers: looks well"
    for file in blocks("rollouts", "yaml"):
        assert isinstance(kinds.parse_spec(yaml.safe_load(file)), stoker.Deploy)
    [roles] = blocks("rollouts", "toml")
    assert Settings(**tomllib.loads(roles)).roles == {"release-managers": ("alice", "bob")}


def test_monitoring(client: stoker.Client, eventually: Eventually) -> None:
    client.submit(stoker.Train(model="digits", data="sample://digits", epochs=1, seed=1)).result(timeout=PATIENCE_S)
    begun, alarms = blocks("monitoring", "python")
    watch = run(begun)["watch"]
    assert isinstance(watch, stoker.Job)
    eventually(lambda: "digits@" in (watch.status().reason or ""))
    run(f"import stoker\nclient = stoker.Client()\nwatch = client.job({watch.id!r})\n{alarms}")
    assert "digits" in client.monitors()
    assert "No window yet" in watch.files["html"].read().decode()
    Path("labels.csv").write_text(f"request,label\ndigits@1:{'0' * 32}:1,7\n")
    for line in "".join(blocks("monitoring", "console")).splitlines():
        told = commands.run(*shlex.split(line.removeprefix("$ "))[1:])
        assert told.returncode == ("feedback" in line), told.stderr
        if "show" in line:
            assert f"by job {watch.id}" in told.stdout
    watch.cancel()
    [file] = blocks("monitoring", "yaml")
    spec = kinds.parse_spec(yaml.safe_load(file))
    assert spec == stoker.Monitor(model="digits", window=500, share=0.1, leave_out=["name", "address"], keep=10)


def test_gateway(reader: Settings, eventually: Eventually, tmp_path: Path) -> None:
    with running_gateway(reader, eventually) as gateway:
        variables = {"KEY": gateway.keys.texts["client"], "GATEWAY": f"http://127.0.0.1:{gateway.port}"}
        submitted, followed, told, described = (
            subprocess.run(
                ["bash", "-euc", block],
                env={**os.environ, **variables},
                cwd=tmp_path,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for block in blocks("gateway", "bash")
        )
    assert json.loads(submitted)["kind"] == "describe"
    assert json.loads(submitted)["id"] in followed
    assert "event: finished" in followed
    assert '"state":"SUCCEEDED"' in followed
    assert json.loads(followed.splitlines()[-1])["data"] == "sample://iris"
    assert json.loads(told)["matching"] == []
    assert '"churned"' in described
    assert described.endswith("age,plan")
    keys, settings = blocks("gateway", "toml")
    assert key_of(Path("shop.toml"), "shop", tomllib.loads(keys)["shop"]).per_minute == 600
    assert Settings(**tomllib.loads(settings)).gateway_hosts == ("stoker.example.org",)
    [problem] = blocks("gateway", "json")
    assert json.loads(problem).keys() == {"type", "title", "status", "code", "detail", "error"}
