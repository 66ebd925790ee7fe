"""ONNX models whose weights lie elsewhere, by every way that led out of a model's folder once."""

import os
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

LINKS = ("above", "above, from within", "absolute", "a symbolic link", "a hard link", "a file: URL")


def linked(folder: Path, secret: Path, way: str) -> Path:
    """A model in a folder, which takes its weights from a file beside that."""
    locations = {
        "above": f"../{secret.name}",
        "above, from within": f"a/../../{secret.name}",
        "absolute": str(secret),
        "a symbolic link": "weights",
        "a hard link": "weights",
        "a file: URL": secret.as_uri(),
    }
    if way == "a symbolic link":
        (folder / "weights").symlink_to(secret)
    if way == "a hard link":
        os.link(secret, folder / "weights")
    weights = helper.make_tensor("w", TensorProto.FLOAT, (3, 2), np.zeros(6, np.float32).tobytes(), raw=True)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=locations[way])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 2))],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path
