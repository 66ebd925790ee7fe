"""Registering a model that was made elsewhere, through both clients and the command line, and predicting with it."""

import asyncio
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import stoker
from stoker.local import redis_url_of
from stoker.settings import Settings

from .. import commands

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
ROWS = np.random.default_rng(0).random((5, 3), dtype=np.float32)


def linear(path: Path) -> Path:
    """An ONNX file of rows times weights."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("rows", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("rows", 2))],
        [helper.make_tensor("w", TensorProto.FLOAT, (3, 2), WEIGHTS.ravel())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_a_file_of_the_client_is_a_version_that_is_served(client: stoker.Client, tmp_path: Path) -> None:
    version = client.register(
        "linear", linear(tmp_path / "mine.onnx"), metrics={"r2": 0.75}, inputs=["a", "b", "c"], alias="kept"
    )
    assert (version.ref, version.metrics, set(version.files)) == ("linear@1", {"r2": 0.75}, {"onnx"})
    assert client.model("linear@kept").ref == "linear@1"
    np.testing.assert_allclose(client.infer("linear", ROWS), ROWS @ WEIGHTS, rtol=1e-5)
    [answer] = client.predict("linear", {"c": 1.0, "a": 0.0, "b": 0.0})
    assert answer.value == (4.0, 5.0)
    [job] = client.jobs(kind="import", model="linear")
    assert job.id == version.job
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(stoker.JobFailed, match="no ONNX file"):
        client.register("broken", tmp_path / "broken.onnx")
    (tmp_path / "old.h5").touch()
    with pytest.raises(stoker.InvalidJob, match="no safe way to load one"):
        client.register("old", tmp_path / "old.h5")
    with pytest.raises(stoker.InvalidArgument, match="there is no"):
        client.register("nothing", tmp_path / "nothing.keras")


def test_the_asyncio_client_registers_alike(stack: Settings, tmp_path: Path) -> None:
    async def register() -> stoker.ModelVersion:
        async with stoker.AsyncClient(redis_url_of(stack), settings=stack) as client:
            version = await client.register("linear-later", linear(tmp_path / "mine.onnx"), outputs={"y": "sums"})
            np.testing.assert_allclose(await client.infer("linear-later", ROWS), ROWS @ WEIGHTS, rtol=1e-5)
            return version

    assert [each.name for each in asyncio.run(register()).signature.outputs] == ["sums"]


def test_the_command_registers_and_exports(stack: Settings, tmp_path: Path) -> None:
    path = linear(tmp_path / "mine.onnx")
    environment = {"STOKER_REDIS_URL": redis_url_of(stack), "STOKER_STORE_URL": stack.store}
    arguments = ["--target", "y", "--metric", "mae=0.5", "--column", "a", "--column", "b", "--column", "c", "--json"]
    made = commands.run("models", "import", "by-command", str(path), *arguments, env=environment)
    version = json.loads(made.stdout)
    assert (version["name"], version["metrics"], version["signature"]["target"]) == ("by-command", {"mae": 0.5}, "y")
    taken = commands.run("models", "export", "by-command", str(tmp_path / "out"), "--json", env=environment)
    assert Path(json.loads(taken.stdout)["path"]).read_bytes() == path.read_bytes()
    refused = commands.run("models", "import", "by-command", str(tmp_path), env=environment)
    assert (refused.returncode, "it is no SavedModel" in refused.stderr) == (2, True)
