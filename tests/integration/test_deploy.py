"""Deployments: verified within their slot, moved in one step, or refused for what is wrong."""

import os
from pathlib import Path

import pytest

import stoker
from stoker.settings import Settings
from stoker.store import Store


@pytest.fixture
def model(client: stoker.Client) -> stoker.ModelVersion:
    spec = stoker.Train(model="shipped", data="sample://iris", epochs=1)
    result = client.submit(spec).result(timeout=90)
    return client.model(result.model)


def test_a_deployment_moves_an_alias_to_a_whole_model(client: stoker.Client, model: stoker.ModelVersion) -> None:
    job = client.submit(stoker.Deploy(model=model.ref, alias="live"))

    assert job.result(timeout=30) == stoker.DeployResult(model=model.ref, alias="live")
    assert client.model("shipped@live").ref == model.ref


def test_a_damaged_file_fails_the_deployment_and_moves_nothing(
    client: stoker.Client, stack: Settings, model: stoker.ModelVersion
) -> None:
    file = Path(Store(stack.store).location(model.files["keras"]))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    try:
        job = client.submit(stoker.Deploy(model=model.ref, alias="broken"))
        with pytest.raises(stoker.JobFailed, match="is corrupt"):
            job.result(timeout=30)
    finally:
        file.write_bytes(content)
    with pytest.raises(stoker.ModelNotFound):
        client.model("shipped@broken")


def test_a_store_that_hangs_costs_the_job_its_timeout_and_the_slot_nothing(
    client: stoker.Client, stack: Settings, model: stoker.ModelVersion
) -> None:
    # A FIFO in the file's place: whoever opens it waits for ever.
    file = Path(Store(stack.store).location(model.files["keras"]))
    content = file.read_bytes()
    file.unlink()
    os.mkfifo(file)
    try:
        job = client.submit(stoker.Deploy(model=model.ref, alias="slow", timeout=1))
        with pytest.raises(stoker.JobFailed, match="timeout of 1 s"):
            job.result(timeout=30)
    finally:
        file.unlink()
        file.write_bytes(content)
    assert client.submit(stoker.Deploy(model=model.ref)).result(timeout=30)
