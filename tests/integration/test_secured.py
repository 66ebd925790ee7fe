"""With everything switched on that guards a Stoker, what it does is what it does without."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import stoker
from stoker import JobState
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL
from .secured import denied

TABLE = [{"x": float(n % 7), "y": "odd" if n % 2 else "even"} for n in range(200)]
SPEC = stoker.Train(model="parity", data="sample://iris", epochs=1, seed=1, **SMALL)


@pytest.fixture
def client(secured_stack: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=secured_stack) as client:
        yield client


# What is the operator's, for which `stoker doctor` asks, and says that it may not have it.
_OF_OPERATORS = {"client: command info", "client: command acl|list", "client: key stoker-webhooks"}


@pytest.fixture(autouse=True)
def _nothing_is_denied(secured_stack: Settings) -> Iterator[None]:
    yield
    # A client tries to load a script that the server lacks, and waits for the controller to do so.
    assert set(denied(secured_stack.home.parent)) <= _OF_OPERATORS | {"client: command script|load"}


def test_an_upload_is_trained_on_served_searched_and_exported(client: stoker.Client, tmp_path: Path) -> None:
    data = client.upload(TABLE, name="parity")
    train = SPEC.model_copy(update={"data": data, "target": "y"})
    first, deployed, second = client.submit_many(
        [train, stoker.Deploy(model="#0"), stoker.Evaluate(model="#0", data=data, target="y", bootstrap=100, noise=())]
    )
    assert [job.wait(timeout=PATIENCE_S) for job in (first, deployed, second)] == [JobState.SUCCEEDED] * 3
    [answer] = client.predict("parity", {"x": 1.0}, timeout=PATIENCE_S)
    assert answer.label in ("odd", "even")
    # A job with children, on parts of the upload, and a search of two.
    parts = client.submit(stoker.Infer(model="parity", data=data))
    search = client.submit(
        stoker.Tune(job=train, trials=2, goal="min loss", space={"batch_size": stoker.Choice([16, 32])}, finish="none")
    )
    assert [job.wait(timeout=PATIENCE_S) for job in (parts, search)] == [JobState.SUCCEEDED] * 2
    exported = client.submit(stoker.Export(model="parity", format="keras", to=str(tmp_path))).result(PATIENCE_S)
    assert isinstance(exported, stoker.ExportResult)
    assert exported.where == str(tmp_path / "parity" / "1")
    beyond = client.submit(stoker.Export(model="parity", format="keras", to="/var/elsewhere"))
    assert beyond.wait(timeout=PATIENCE_S) is JobState.FAILED
    assert "export_roots" in str(beyond.status().reason)
    stored = [path for path in Path(client.settings.store).rglob("*") if path.is_file() and "audit" not in path.parts]
    assert all(path.suffix == ".age" for path in stored)


def test_a_network_answers_arrays_and_its_registration_starts_what_is_scheduled(
    client: stoker.Client, eventually: Eventually
) -> None:
    client.schedule("registered of flowers", stoker.Describe(data="sample://iris"), name="look")
    client.submit(SPEC.model_copy(update={"model": "flowers"})).result(timeout=PATIENCE_S)
    assert client.infer("flowers", np.ones((3, 4)), timeout=PATIENCE_S).shape == (3, 3)
    eventually(lambda: client.jobs(kind="describe"))
    started = client.job(client.jobs(kind="describe")[0].id)
    client.remove_schedule("look")
    assert started.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED


def test_a_cancelled_job_ends_and_one_that_nobody_has_signed_is_refused(client: stoker.Client) -> None:
    endless = client.submit(SPEC.model_copy(update={"epochs": 1_000_000}))
    assert any(isinstance(event, stoker.events.Epoch) for event in endless.events())
    endless.cancel()
    assert endless.wait(timeout=PATIENCE_S) is JobState.CANCELLED
    with stoker.Client(settings=client.settings.model_copy(update={"signing_key": None})) as stranger:
        refused = stranger.submit(SPEC)
        assert refused.wait(timeout=PATIENCE_S) is JobState.FAILED
        assert "signed" in str(refused.status().reason)


def test_the_command_line_reads_as_without(client: stoker.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in client.settings.environment().items():
        monkeypatch.setenv(name, value)
    for command in ("jobs", "models list", "files ls", "audit tail", "audit verify", "functions", "schedule list"):
        done = commands.run(*command.split())
        assert (done.returncode, done.stderr) == (0, ""), command
    checks = json.loads(commands.run("doctor", "--json").stdout)["checks"]
    assert [check for check in checks if check["verdict"] == "fail"] == []
